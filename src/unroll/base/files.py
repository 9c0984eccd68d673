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

if TYPE_CHECKING:  # imported where they are used: most that read files need neither
    import numpy as np
    import pandas as pd

# What only writing can meet: no room, no more quota, a larger file than allowed, a disk that takes nothing.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@contextmanager
def replace_when_done(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    What a process that was killed has left of the same file is removed too.

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
        with explain_write_errors(path, NO_ROOM):  # the block may read, too
            yield temporary
        with explain_write_errors(path):
            temporary.chmod(0o644)  # mkstemp makes files that only their owner can read
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def open_scratch(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` for what it is made from; remove it in any case.

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
    """Turn what the system says in the block, of those error numbers or of all, into one line about `path`.

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
    """Read a .npy file, or map it into memory: then nothing is read until it is used; content: what it should hold.

    Raises:
        InputError: the file is missing, or is no such array.
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
    """Return the repository's root: of the main checkout, also inside DVC's temporary experiment directories.

    Each folder under pipelines/ is a DVC repository of its own inside it; all share what stands in the root.
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
    """Return an address as it is, and a path as one that does not depend on where the process runs.

    Raises:
        InputError: the address cannot be read, or the path is in the home folder of nobody.
    """
    if "://" in location:
        try:
            urlsplit(location)
        except ValueError as error:
            raise InputError(f"{location} is not an address: {error}") from None
        return location
    try:
        return str(root / Path(location).expanduser())
    except RuntimeError:  # ~name of nobody
        raise InputError(f"{location}: there is no such home folder") from None


def _find_prefix(path: Path) -> str:
    """Return how this process's temporary names for a file begin; other machines may write to the same folder."""
    return f".{path.stem}-{socket.gethostname()}-{os.getpid()}-"


def _remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine that were killed have left of a file under temporary names."""
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
