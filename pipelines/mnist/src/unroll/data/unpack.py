"""What all readers of outside files share: a limit on the unpacked size, and the errors when reading fails."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unroll.base.errors import InputError

# Text packs to a third or a tenth, a repetitive table to a fiftieth, a bomb of zeros to a thousandth.
MOST_TIMES_LARGER = 100
ALWAYS_ALLOWED = 2**26
MOST_BYTES = 2**36
# Rows and characters in memory at once; one long row may come on top.
CHUNK_ROWS = 20_000
CHUNK_CHARACTERS = 2**25
GZIP = b"\x1f\x8b"  # what a gzip file begins with (RFC 1952)


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn errors of the block, which reads a file that may be gzip, into one line.

    Raises:
        InputError: the file is missing, cannot be read or is not a whole gzip file.
    """
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is not a whole gzip file ({error}): download it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def limit_unpacked(path: Path) -> int:
    """Return how many bytes a packed file may unpack to: more than any text does, far less than a bomb."""
    return min(MOST_TIMES_LARGER * path.stat().st_size + ALWAYS_ALLOWED, MOST_BYTES)


def check_unpacked(path: Path, size: int, limit: int) -> None:
    """Raise InputError for a file that unpacks to more than its limit."""
    if size > limit:
        raise InputError(_complain(path, limit))


@contextmanager
def open_unpacked(path: Path, limit: int | None = None) -> Iterator[io.BufferedIOBase]:
    """Open a file, and unpack it as it is read where its name ends in .gz.

    limit: how many bytes it may unpack to, by default `limit_unpacked`. Reading more raises InputError, and so does
    opening a file that is packed twice.
    """
    if path.suffix.lower() != ".gz":
        with path.open("rb") as file:
            if file.peek(2)[:2] == GZIP:
                raise InputError(f"{path} is a gzip file: expected its name to end in .gz")
            yield file
        return
    most = limit_unpacked(path) if limit is None else limit
    with gzip.open(path, "rb") as packed:
        file = io.BufferedReader(Bounded(packed, most, _complain(path, most)), 2**16)
        if file.peek(2)[:2] == GZIP:
            raise InputError(f"{path} is packed with gzip twice: unpack it once")
        yield file


def group_rows(
    rows: Iterable[Sequence[str]], most_rows: int = CHUNK_ROWS, most_characters: int = CHUNK_CHARACTERS
) -> Iterator[list[Sequence[str]]]:
    """Yield rows of text in lists; a list ends when it has `most_rows` rows or `most_characters` characters."""
    chunk: list[Sequence[str]] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum(map(len, row))
        if len(chunk) == most_rows or size >= most_characters:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class Bounded(io.RawIOBase):
    """A stream that lets at most `limit` bytes be read; more raises InputError with the `complaint`.

    Setting `size` to 0 restarts the count. So a limit for each row keeps endless rows from filling the memory.
    """

    def __init__(self, file: io.BufferedIOBase, limit: int, complaint: str) -> None:
        self._file, self._limit, self._complaint = file, limit, complaint
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # collections.abc.Buffer, which Python has from 3.12 on
        count = self._file.readinto(buffer)
        self.size += count
        if self.size > self._limit:
            raise InputError(self._complaint)
        return count


def _complain(path: Path, limit: int) -> str:
    return f"{path} has more than {limit:,} bytes, unpacked: expected at most that"
