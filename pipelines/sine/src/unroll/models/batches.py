"""From examples of any kind to batches, with as little padding as their lengths allow."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from more_itertools import chunked
from torch import Tensor


class Examples(Protocol):
    """The examples of a split: texts (text/tokens.py) or real-valued sequences (sequences/arrays.py).

    lengths: [rows] int64; targets: [rows, …], what is to be predicted for each.
    """

    @property
    def lengths(self) -> np.ndarray: ...

    @property
    def targets(self) -> np.ndarray: ...

    def __len__(self) -> int: ...

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Return the inputs of some rows, `[batch, time]` or `[batch, time, features]`, padded to the longest."""

    def gather_extras(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what a model reads of some rows besides inputs and lengths: its further arguments."""

    def digest(self) -> str:
        """Return a checksum of inputs and targets; equal digests are equal rows in equal order."""

    def describe(self, split: str) -> dict[str, Any]:
        """Return what MLflow shows about the data: its `source`, `schema` (columns) and `profile` (sizes by name)."""


@dataclass(frozen=True)
class Batch:
    """Some examples of a split.

    rows: [batch] int64, their numbers in the split; inputs: [batch, time] int64 or [batch, time, features] float32;
    targets: [batch, …]; lengths: [batch] int64 on the CPU, where packing needs them, or None if each example fills
    its row; extras: further arguments of the model; share: how much the examples count in the mean loss of the batch
    that they are a part of.
    """

    rows: np.ndarray
    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None
    extras: tuple[Tensor, ...] = ()
    share: float = 1.0

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device; its lengths stay on the CPU."""
        inputs, targets, *extras = (_send(values, device) for values in (self.inputs, self.targets, *self.extras))
        return Batch(self.rows, inputs, targets, self.lengths, tuple(extras))


def choose_batch_size(wanted: int | Literal["auto"], rows: int) -> int:
    """Return the size that was asked for; for `auto`, the power of two nearest to twice the square root of the rows.

    rows: of training, at least 1. The more there are, the more steps an epoch has, and the larger batches may be.
    """
    return 2 ** round(1 + math.log2(rows) / 2) if wanted == "auto" else wanted


def plan_batches(lengths: np.ndarray, batch_size: int, random: np.random.Generator | None = None) -> list[np.ndarray]:
    """Divide rows into batches; return the row numbers of each.

    Texts of one length fill whole batches, which need no padding, packing or masks: the same mathematics, faster. The
    rest of each length is sorted by length and cut into batches that are padded to their longest text. Headlines have
    few lengths, so nearly all fall into the first kind; long texts rarely share a length, so nearly all fall into the
    second. With `random`, rows and batches are in random order.
    """
    order = random.permutation(len(lengths)) if random else np.arange(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    _, starts = np.unique(lengths[order], return_index=True)
    batches: list[list[int]] = []
    leftovers: list[list[int]] = []
    for same_length in np.split(order, starts[1:]):
        *whole, last = chunked(same_length, batch_size) if len(same_length) else [[]]
        batches += whole
        (batches if len(last) == batch_size else leftovers).append(last)
    batches += chunked([row for rest in leftovers for row in rest], batch_size)
    if random:
        random.shuffle(batches)
    return [np.array(batch) for batch in batches]


def make_batch(examples: Examples, rows: np.ndarray) -> Batch:
    """Gather the examples `rows` ([batch] int64) into a batch, padded if they differ in length."""
    lengths = examples.lengths[rows]
    ragged = None if lengths.min() == lengths.max() else torch.from_numpy(lengths)
    inputs, targets = torch.from_numpy(examples.gather(rows)), torch.from_numpy(examples.targets[rows])
    return Batch(rows, inputs, targets, ragged, tuple(map(torch.from_numpy, examples.gather_extras(rows))))


def iterate_batches(
    examples: Examples, batch_size: int, device: torch.device, random: np.random.Generator | None = None
) -> Iterator[Batch]:
    """Yield every example of the split once, on the device; with `random`, in random order."""
    for rows in plan_batches(examples.lengths, batch_size, random):
        yield make_batch(examples, rows).to(device)


def _send(values: Tensor, device: torch.device) -> Tensor:
    """Copy to the device; to a GPU from pinned memory, so that it can go on computing."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)
