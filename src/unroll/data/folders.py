"""Which files of a folder, of this machine or in a cloud, are the data."""

from fnmatch import fnmatchcase
from pathlib import Path

from unroll.base.errors import InputError
from unroll.data.cloud import list_objects
from unroll.data.tables import find_suffix


def is_folder(location: str) -> bool:
    """Whether there are several files: in a folder of this machine, or under an address that ends in a slash."""
    return location.endswith("/") if "://" in location else Path(location).is_dir()


def list_files(location: str, pattern: str | None, suffixes: tuple[str, ...], parameter: str) -> list[str]:
    """Return the locations of a folder's files in the order of their names; hidden files are left out.

    pattern: what the names have to match, such as `part-*.jsonl`; parameter: the one that sets `location`.

    Raises:
        InputError: the folder cannot be listed, there is no such file, there is a folder among them, or they have
            different or unknown formats; the files of one format may be packed or not.
    """
    folder = location.rstrip("/")
    entries = list_objects(location, parameter) if "://" in location else _list_entries(Path(location), parameter)
    names = sorted(name for name in entries if not name.startswith(".") and fnmatchcase(name, pattern or "*"))
    if not names:
        kind = f"that matches data.pattern = {pattern!r}" if pattern else "that is not hidden"
        raise InputError(f"{parameter}: {folder} has no file {kind}: expected one or more")
    for name in names:
        if entries[name]:
            raise InputError(f"{parameter}: {folder} has the folder {name!r} in it: expected files alone")
    choose = "or data.pattern to choose files"
    try:
        formats = {find_suffix(f"{folder}/{name}", suffixes).removesuffix(".gz"): name for name in reversed(names)}
    except InputError as error:
        raise InputError(f"{parameter}: {error}, {choose}") from None
    if len(formats) > 1:
        some, others, *_ = sorted(formats.values())
        raise InputError(
            f"{parameter}: {folder} has files of different formats, {some!r} and {others!r}: expected one, {choose}"
        )
    return [f"{folder}/{name}" for name in names]


def _list_entries(folder: Path, parameter: str) -> dict[str, bool]:
    """Return the names in a folder, and whether each is a folder itself."""
    try:
        return {path.name: path.is_dir() for path in folder.iterdir()}
    except OSError as error:
        raise InputError(f"{parameter}: {folder} cannot be read: {error.strerror}") from None
