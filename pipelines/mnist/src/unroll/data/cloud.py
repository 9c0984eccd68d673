"""Files in a cloud, read through DVC's own filesystems: s3://bucket/key, or remote://NAME/key for one of DVC's remotes.

Keys and endpoint are those of AWS's environment variables and files, or for a remote those of DVC's configuration.
Other clouds than S3 can be a remote if DVC's package for them is installed. Failed requests are tried again by the
libraries beneath.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unroll.base.errors import InputError

SCHEMES = ("s3", "remote")
BLOCK_BYTES = 2**20


def open_object(url: str, parameter: str) -> tuple[int, Iterator[bytes]]:
    """Return the number of bytes of a file, and its content in blocks; parameter: the one that sets the address.

    Raises:
        InputError: there is no such file, or it cannot be read; also while the blocks are read.
    """
    with _explain_errors(url, parameter):
        filesystem, path = _connect(url)
        found = filesystem.info(path)
    if found["type"] == "directory":
        raise InputError(
            f"{parameter}: {url} is a folder: expected a file, or the address of a folder with / at its end"
        )
    return found["size"], _read_blocks(filesystem, path, url, parameter)


def list_objects(url: str, parameter: str) -> dict[str, bool]:
    """Return the names of what is in a folder, and whether each is a folder itself.

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """
    with _explain_errors(url, parameter):
        filesystem, path = _connect(url)
        entries = filesystem.ls(path.rstrip("/"), detail=True)
    names = {entry["name"].removeprefix(path.strip("/")).strip("/"): entry["type"] for entry in entries}
    return {name: kind == "directory" for name, kind in names.items() if name}  # the folder itself may be an object


def _connect(url: str) -> tuple[Any, str]:
    from dvc.config import Config  # imported here: it takes a second, and most data are elsewhere
    from dvc.fs import parse_external_url

    filesystem, path = parse_external_url(url, config=Config.from_cwd())
    if not path.strip("/"):
        raise ValueError("there is no bucket in the address")
    return filesystem, path


def _read_blocks(filesystem: Any, path: str, url: str, parameter: str) -> Iterator[bytes]:
    with _explain_errors(url, parameter), filesystem.open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


@contextmanager
def _explain_errors(url: str, parameter: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, NoCredentialsError, ParamValidationError
    from dvc.exceptions import DvcException

    try:
        yield
    except (FileNotFoundError, ParamValidationError):  # or cannot exist, with such a name
        raise InputError(f"{parameter}: {url} does not exist: check the bucket and the key") from None
    except NoCredentialsError:
        where = "the environment (AWS_ACCESS_KEY_ID), ~/.aws, or a remote of DVC's (remote://NAME/…)"
        raise InputError(f"{parameter}: {url} cannot be read without keys: expected them in {where}") from None
    except (OSError, ValueError, BotoCoreError, DvcException) as error:
        raise InputError(f"{parameter}: {url} cannot be read: {error}") from None
