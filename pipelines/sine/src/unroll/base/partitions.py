"""Records too many for memory, spread over files by their keys: equal keys meet in one file."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa

PARTITIONS = 64  # of a billion records, 16 million in each


class Partitions:
    """A folder of files of records, each with a field `key` (uint64, a hash), to be written once and then read.

    dtype: of the records, as NumPy has it.
    """

    def __init__(self, folder: Path, dtype: np.dtype) -> None:
        self._paths = [folder / f"{number:02d}.records" for number in range(PARTITIONS)]
        self._dtype = dtype
        self._stack = ExitStack()
        folder.mkdir()
        self._files = [self._stack.enter_context(path.open("wb")) for path in self._paths]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, records: np.ndarray) -> None:
        """Append records; those with equal keys stay in their order."""
        for number, chosen in divide(records["key"]):
            self._files[number].write(records[chosen].tobytes())

    def read(self) -> Iterator[np.ndarray]:
        """Yield the records of each file, `[records]`."""
        self._stack.close()
        for path in self._paths:
            yield np.fromfile(path, self._dtype)


def divide(keys: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each partition that has any of the keys ([records] uint64), and their places, in order."""
    numbers = (keys % np.uint64(PARTITIONS)).astype(np.uint8)
    order = np.argsort(numbers, kind="stable")
    found, starts = np.unique(numbers[order], return_index=True)
    yield from zip(found.tolist(), np.split(order, starts[1:]), strict=True) if len(found) else ()


def hash_texts(texts: pa.StringArray) -> np.ndarray:
    """Return a 64-bit hash (SipHash) of each text, `[texts]` uint64; equal texts have equal hashes, on any machine.

    Among a million texts, the probability that two different ones share a hash is 3 in 100 million.
    """
    return pd.util.hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)
