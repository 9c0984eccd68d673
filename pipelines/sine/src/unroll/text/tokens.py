"""Texts as token ids: ragged arrays without padding, kept as .npy files that can be mapped into memory."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from unroll.base.files import load_array, replace_when_done

PADDING_ID, UNKNOWN_ID = 0, 1
# The fields of `Tokens`, as data/tokens/ has them.
FILES: dict[str, type[np.generic]] = {
    "ids": np.int32,
    "offsets": np.int64,
    "labels": np.int64,
    "ngrams": np.uint32,
    "ngram_offsets": np.int64,
}


@dataclass(frozen=True)
class Tokens:
    """The texts of one split.

    ids: [tokens] int32, all texts one after the other; offsets: [rows + 1] int64, text i is
    `ids[offsets[i]:offsets[i + 1]]`; labels: [rows] int64, numbers of classes; ngrams, ngram_offsets: the hashes of
    each text's n-grams (text/ngrams.py), uint32, in the same way.
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    ngrams: np.ndarray
    ngram_offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each text, [rows] int64."""
        return np.diff(self.offsets)

    @property
    def targets(self) -> np.ndarray:
        """The labels, under the name that all kinds of examples share."""
        return self.labels

    def cut(self, first: int, end: int) -> "Tokens":
        """Return the texts from `first` up to `end`, as a copy."""
        offsets, ngram_offsets = self.offsets[first : end + 1], self.ngram_offsets[first : end + 1]
        ids = np.array(self.ids[offsets[0] : offsets[-1]])
        ngrams = np.array(self.ngrams[ngram_offsets[0] : ngram_offsets[-1]])
        return Tokens(
            ids, offsets - offsets[0], np.array(self.labels[first:end]), ngrams, ngram_offsets - ngram_offsets[0]
        )

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Return the texts `rows` ([batch] int64), `[batch, time]` int64, padded with `PADDING_ID` to the longest."""
        starts, lengths = self.offsets[rows], self.lengths[rows]
        time = np.arange(lengths.max())
        inside = time < lengths[:, None]
        if inside.all():
            return self.ids[starts[:, None] + time].astype(np.int64)
        ids = np.full(inside.shape, PADDING_ID, dtype=np.int64)
        ids[inside] = self.ids[(starts[:, None] + time)[inside]]
        return ids

    def gather_extras(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the n-grams' hashes of the texts `rows` ([n-grams]) and where each text's begin ([batch]), int64."""
        sizes = self.ngram_offsets[rows + 1] - self.ngram_offsets[rows]
        starts = np.cumsum(sizes) - sizes
        positions = np.repeat(self.ngram_offsets[rows] - starts, sizes) + np.arange(sizes.sum())
        return self.ngrams[positions].astype(np.int64), starts

    def digest(self) -> str:
        """Return a checksum of texts, as ids and n-grams, and labels; equal digests are equal rows in equal order."""
        return _compute_md5(self.ids, self.offsets, self.labels, self.ngrams, self.ngram_offsets)

    def identify(self) -> str:
        """Return a checksum of labels and texts, whatever vocabulary reads these: the n-grams stand for them."""
        return _compute_md5(self.labels, self.ngrams, self.ngram_offsets)

    def describe(self, split: str) -> dict[str, Any]:
        """Return what MLflow shows about the data."""
        profile = {"num_rows": len(self), "num_tokens": len(self.ids)}
        columns = [{"name": name, "type": "string", "required": True} for name in ("text", "label")]
        return {"source": f"data/splits/{split}.parquet", "schema": columns, "profile": profile}

    @classmethod
    def from_lists(cls, ids: list[list[int]], labels: list[int], ngrams: list[np.ndarray] | None = None) -> "Tokens":
        """Join lists of token ids and arrays of n-grams' hashes, one for each text; without the latter, it has none."""
        found = [np.zeros(0, dtype=np.uint32)] * len(ids) if ngrams is None else ngrams
        return cls(*flatten_ids(ids), np.array(labels, dtype=np.int64), *flatten_ngrams(found))


def flatten_ids(ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Join lists of token ids, one for each text; return `ids` and `offsets` as `Tokens` has them."""
    offsets = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in ids], out=offsets[1:])
    return np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=offsets[-1]), offsets


def flatten_ngrams(ngrams: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Join arrays of hashes, one for each text; return `ngrams` and `ngram_offsets` as `Tokens` has them."""
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in ngrams], dtype=np.int64)])
    return np.concatenate([np.zeros(0, dtype=np.uint32), *ngrams]), offsets


def save_tokens(parts: Iterable[Tokens], folder: Path, split: str) -> None:
    """Write a file for each field, `SPLIT.ids.npy` and so on: the texts of all parts, in their order.

    Each part is written at once, so that only one is in memory.
    """
    tokens = ngrams = 0
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(_open_array(folder / f"{split}.{name}.npy", dtype))
            for name, dtype in FILES.items()
        }
        for part in parts:
            for name in ("ids", "labels", "ngrams"):
                files[name].write(getattr(part, name).tobytes())
            files["offsets"].write((part.offsets[:-1] + tokens).tobytes())
            files["ngram_offsets"].write((part.ngram_offsets[:-1] + ngrams).tobytes())
            tokens, ngrams = tokens + int(part.offsets[-1]), ngrams + int(part.ngram_offsets[-1])
        files["offsets"].write(np.int64(tokens).tobytes())
        files["ngram_offsets"].write(np.int64(ngrams).tobytes())


def _compute_md5(*arrays: np.ndarray) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


@contextmanager
def _open_array(path: Path, dtype: type[np.generic]) -> Iterator[BinaryIO]:
    """Open a one-dimensional .npy file for appending.

    NumPy's header leaves room for any length, so it can be rewritten once the length is known.
    """
    with replace_when_done(path) as temporary, temporary.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, header | {"shape": (0,)})
        start = file.tell()
        yield file
        length = (file.tell() - start) // np.dtype(dtype).itemsize
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, header | {"shape": (length,)})


def load_tokens(folder: Path, split: str) -> Tokens:
    """Map a split into memory; nothing is read until it is used.

    Raises:
        InputError: a file is missing or is not what `save_tokens` writes.
    """
    return Tokens(**{name: load_array(folder / f"{split}.{name}.npy", "token data", mapped=True) for name in FILES})
