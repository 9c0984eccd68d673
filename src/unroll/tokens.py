"""Texts as token ids: ragged arrays without padding, kept as .npy files that can be mapped into memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unroll.errors import InputError
from unroll.files import replace_when_done


@dataclass(frozen=True)
class Tokens:
    """The texts of one split.

    ids: [tokens] int32, all texts one after the other; offsets: [rows + 1] int64, text i is
    `ids[offsets[i]:offsets[i + 1]]`; labels: [rows] int64, numbers of classes.
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each text, [rows] int64."""
        return np.diff(self.offsets)

    @classmethod
    def from_lists(cls, ids: list[list[int]], labels: list[int]) -> "Tokens":
        """Join lists of token ids, one for each text."""
        offsets = np.zeros(len(ids) + 1, dtype=np.int64)
        np.cumsum([len(text) for text in ids], out=offsets[1:])
        flat = np.fromiter((token for text in ids for token in text), dtype=np.int32, count=offsets[-1])
        return cls(flat, offsets, np.array(labels, dtype=np.int64))


def concatenate_tokens(parts: list[Tokens]) -> Tokens:
    """Join the texts of several parts in their order."""
    lengths = np.concatenate([part.lengths for part in parts])
    return Tokens(
        ids=np.concatenate([part.ids for part in parts]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=np.concatenate([part.labels for part in parts]),
    )


def save_tokens(tokens: Tokens, folder: Path, split: str) -> None:
    """Write `SPLIT.ids.npy`, `SPLIT.offsets.npy` and `SPLIT.labels.npy`."""
    for name in ("ids", "offsets", "labels"):
        with replace_when_done(folder / f"{split}.{name}.npy") as temporary:
            np.save(temporary, getattr(tokens, name), allow_pickle=False)


def load_tokens(folder: Path, split: str) -> Tokens:
    """Map a split into memory; nothing is read until it is used.

    Raises:
        InputError: a file is missing or is not what `save_tokens` writes.
    """
    arrays = {}
    for name in ("ids", "offsets", "labels"):
        path = folder / f"{split}.{name}.npy"
        try:
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{path} is missing: `dvc repro` makes it, `dvc pull` fetches it") from None
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{path} is not an array of token data: {error}") from None
    return Tokens(**arrays)


def digest_tokens(tokens: Tokens) -> str:
    """Return a checksum of a split's texts, as ids, and labels; equal digests are equal rows in equal order."""
    digest = hashlib.md5(usedforsecurity=False)
    for array in (tokens.ids, tokens.offsets, tokens.labels):
        digest.update(array.tobytes())
    return digest.hexdigest()
