"""Token arrays to batches, with as little padding as the lengths allow."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from more_itertools import chunked
from torch import Tensor

from unroll.tokens import Tokens
from unroll.vocabulary import PADDING_ID


@dataclass(frozen=True)
class Batch:
    """Some texts of a split.

    rows: [batch] int64, their numbers in the split; ids: [batch, time] int64; labels: [batch] int64;
    lengths: [batch] int64 on the CPU (where packing wants them), or None if every text fills its row.
    """

    rows: np.ndarray
    ids: Tensor
    labels: Tensor
    lengths: Tensor | None


def plan_batches(lengths: np.ndarray, batch_size: int, random: np.random.Generator | None = None) -> list[np.ndarray]:
    """Divide rows into batches; return the row numbers of each.

    Texts of one length fill whole batches, which need neither padding nor packing nor masks: the same mathematics,
    faster. What is left over of each length is put in order of length and cut into batches that are padded to
    their longest text. Headlines have few lengths and nearly all fall into the first kind; long texts, where few
    share a length, nearly all into the second. With `random`, rows and batches are in random order.
    """
    order = random.permutation(len(lengths)) if random else np.arange(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    _, starts = np.unique(lengths[order], return_index=True)
    batches, leftovers = [], []
    for same_length in np.split(order, starts[1:]):
        *whole, last = chunked(same_length, batch_size) if len(same_length) else [[]]
        batches += whole
        (batches if len(last) == batch_size else leftovers).append(last)
    batches += chunked([row for rest in leftovers for row in rest], batch_size)
    if random:
        random.shuffle(batches)
    return [np.array(batch) for batch in batches]


def make_batch(tokens: Tokens, rows: np.ndarray) -> Batch:
    """Gather the texts `rows` ([batch] int64) into a batch, padded with `PADDING_ID` where they differ in length."""
    starts = tokens.offsets[rows]
    lengths = tokens.offsets[rows + 1] - starts
    time = np.arange(lengths.max())
    if lengths.min() == lengths.max():
        ids, ragged = tokens.ids[starts[:, None] + time], None
    else:
        inside = time < lengths[:, None]
        ids = np.full(inside.shape, PADDING_ID, dtype=np.int64)
        ids[inside] = tokens.ids[(starts[:, None] + time)[inside]]
        ragged = torch.from_numpy(lengths)
    return Batch(rows, torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(tokens.labels[rows]), ragged)


def iterate_batches(
    tokens: Tokens, batch_size: int, device: torch.device, random: np.random.Generator | None = None
) -> Iterator[Batch]:
    """Yield every text of the split once, on the device."""
    for rows in plan_batches(tokens.lengths, batch_size, random):
        batch = make_batch(tokens, rows)
        yield Batch(batch.rows, batch.ids.to(device), batch.labels.to(device), batch.lengths)
