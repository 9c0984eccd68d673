"""Files written whole or not at all, with the same bytes for the same content."""

import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from unroll.base.errors import InputError, explain_missing

if TYPE_CHECKING:  # imported where they are used: most callers need neither
    import numpy as np
    import pandas as pd

# Errors that only writing can meet: no room, no quota, a file too large, a read-only disk.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@contextmanager
def replace_when_done(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    This also removes what a killed process has left of the same file.

    Raises:
        InputError: `path` is a folder, its folder cannot be made or written to, or there is no room for the file.
    """
    with explain_write_errors(path):
        if path.is_dir():
            raise InputError(f"{path} is a folder, expected a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        handle, name = tempfile.mkstemp(prefix=_find_prefix(path), suffix=path.suffix, dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with explain_write_errors(path, NO_ROOM):  # not other errors: the block may read, too
            yield temporary
        with explain_write_errors(path):
            temporary.chmod(0o644)  # mkstemp makes files that only their owner can read
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def open_scratch(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, for what the file is made from; always remove it.

    Raises:
        InputError: the folder cannot be written to, or there is no room in it.
    """
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        scratch = tempfile.TemporaryDirectory(prefix=_find_prefix(path), suffix=path.suffix, dir=path.parent)
    with explain_write_errors(path, NO_ROOM), scratch as folder:
        yield Path(folder)


@contextmanager
def explain_write_errors(path: Path, only: Collection[int] = ()) -> Iterator[None]:
    """Turn a system error in the block into one line about `path`; only: these error numbers, or all of them.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        reason = os.strerror(error.errno) if error.errno else error
        raise InputError(f"{path} cannot be written: {reason}") from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` with sorted keys and floats rounded to six decimals."""
    with replace_when_done(path) as temporary:
        text = json.dumps(_round_floats(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing, cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise explain_missing(path) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def write_table(path: Path, table: "pd.DataFrame", float_format: str = "%.6f") -> None:
    """Write a table as CSV."""
    with replace_when_done(path) as temporary:
        table.to_csv(temporary, index=False, float_format=float_format, lineterminator="\n")


def save_array(path: Path, array: "np.ndarray") -> None:
    """Write an array as .npy."""
    import numpy as np

    with replace_when_done(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def load_array(path: Path, content: str, *, mapped: bool = False) -> "np.ndarray":
    """Read a .npy file, or map it into memory, to be read when it is used; content: what it should hold.

    Raises:
        InputError: the file is missing or holds no such array.
    """
    import numpy as np

    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise explain_missing(path) from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path} is not an array of {content}: {error}") from None


def compute_hash(path: Path, algorithm: str) -> str:
    """Return the file's checksum in hexadecimal; `algorithm` is a name that hashlib knows."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def find_root() -> Path:
    """Return the root of the main checkout, even inside DVC's temporary experiment directories.

    Each folder under pipelines/ is a DVC repository of its own inside it; all share what is in the root.
    """
    here = Path(os.environ.get("DVC_ROOT") or Path.cwd())
    found = here
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            found = folder
        if (folder / ".git").exists():
            break
    return found


def resolve_location(location: str, root: Path) -> str:
    """Return an address unchanged, and a path made independent of the working directory.

    Raises:
        InputError: the address cannot be parsed, or the path names the home folder of an unknown user.
    """
    if "://" in location:
        try:
            urlsplit(location)
        except ValueError as error:
            raise InputError(f"{location} is not an address: {error}") from None
        return location
    try:
        return str(root / Path(location).expanduser())
    except RuntimeError:  # ~name, and there is no such user
        raise InputError(f"{location}: there is no such home folder") from None


def _find_prefix(path: Path) -> str:
    """Return the prefix of this process's temporary names for a file; other machines may use the same folder."""
    return f".{path.stem}-{socket.gethostname()}-{os.getpid()}-"


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed processes of this machine have left of a file."""
    own = _find_prefix(path).removesuffix(f"{os.getpid()}-")
    for leftover in path.parent.glob(f"{escape(own)}[0-9]*-*{escape(path.suffix)}"):
        process = leftover.name.removeprefix(own).partition("-")[0]
        if process.isdecimal() and not _is_alive(int(process)):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _round_floats(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {str(key): _round_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_round_floats(item) for item in value]
    return value
