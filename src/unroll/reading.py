"""What every reader of files says in the same words when a file cannot be read."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from unroll.errors import InputError


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong in the block, while it reads a file that may be gzip, into one line.

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


class BoundedFile(io.RawIOBase):
    """A file, unpacked if its name ends in .gz, of which no more than `limit_bytes` may be read at a stretch.

    A stretch ends where `total` is set to 0. Whoever reads rows can so bound what rows that do not end may fill.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path, self.limit_bytes, self.total = path, limit_bytes, 0
        self.file: BinaryIO = (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        count = self.file.readinto(buffer)
        self.total += count
        if self.total > self.limit_bytes:
            raise InputError(
                f"{self.path} has more than {self.limit_bytes:,} bytes in a few thousand rows: is there a quotation "
                "mark without its other half?"
            )
        return count

    def close(self) -> None:
        self.file.close()
        super().close()
