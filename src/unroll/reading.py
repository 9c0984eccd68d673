"""What every reader of files says in the same words when a file cannot be read."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
