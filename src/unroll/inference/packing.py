"""Texts of different lengths, laid out to be read together without padding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unroll.text.tokens import Tokens

BATCH_TOKENS = 4096  # so that a batch fits the processor's cache


@dataclass(frozen=True)
class Packed:
    """Some texts in order of falling length: the first token of each, then the second of each that has one, and so on.

    rows: [texts] int64, their numbers; lengths: [texts] int64; sizes: how many texts have a first token, a second …;
    ids: [tokens] int32; texts: [tokens] int64, the text of each token; mirror: [tokens] int64, the position of the
    token that is as far from the text's end as this one is from its start.
    """

    rows: np.ndarray
    lengths: np.ndarray
    sizes: list[int]
    ids: np.ndarray
    texts: np.ndarray
    mirror: np.ndarray


def pack_texts(tokens: Tokens) -> Iterator[Packed]:
    """Yield all texts, none of them empty, in batches of about `BATCH_TOKENS` tokens."""
    lengths = tokens.lengths
    order = np.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        rows = order[first : first + max(1, BATCH_TOKENS // lengths[order[first]])]
        yield _pack(tokens, rows, lengths[rows])
        first += len(rows)


def pack_one(ids: list[int]) -> Packed:
    """Return what `pack_texts` yields for a single text, in a tenth of the time."""
    length = len(ids)
    zeros = np.zeros(length, dtype=np.int64)
    return Packed(zeros[:1], np.array([length]), [1] * length, np.array(ids), zeros, mirror=np.arange(length)[::-1])


def _pack(tokens: Tokens, rows: np.ndarray, lengths: np.ndarray) -> Packed:
    time = np.arange(lengths[0])
    sizes = len(rows) - np.searchsorted(lengths[::-1], time, side="right")
    starts = np.cumsum(sizes) - sizes
    steps = np.repeat(time, sizes)
    texts = np.arange(len(steps)) - starts[steps]
    ids = tokens.ids[tokens.offsets[rows][texts] + steps]
    mirror = starts[lengths[texts] - 1 - steps] + texts
    return Packed(rows, lengths, sizes.tolist(), ids, texts, mirror)
