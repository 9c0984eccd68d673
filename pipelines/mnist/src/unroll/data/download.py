"""Files from the web or from this machine: fetched, and checked before they are used."""

import hashlib
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import requests
from tqdm import tqdm

from unroll.base.errors import InputError, hide_password
from unroll.base.files import NO_ROOM, compute_hash, replace_when_done, resolve_location
from unroll.data.cloud import SCHEMES as CLOUDS
from unroll.data.cloud import open_object

ATTEMPTS = 3
TIMEOUT_SECONDS = 20
BLOCK_BYTES = 2**16
MOST_BYTES = 2**34  # of a download; the largest file that the documentation names has 2 GB


def fetch(location: str, target: Path, parameter: str = "data.url") -> None:
    """Copy a local file, or download one from the web or a cloud, to `target`; parameter: the one that sets `location`.

    Raises:
        InputError: the file does not exist or could not be fetched.
    """
    scheme = urlsplit(location).scheme if "://" in location else "file"
    if scheme == "file":
        _copy(Path(unquote(urlsplit(location).path) if "://" in location else location), target, parameter)
    elif scheme in ("http", "https"):
        _download(location, target, parameter)
    elif scheme in CLOUDS:
        size, blocks = open_object(location, parameter)
        _save(blocks, size, location, target, parameter)
    else:
        raise InputError(f"{parameter} = {location!r}: expected an address with http, https, s3 or file, or a path")


def fetch_cached(location: str, sha256: str | None, root: Path, parameter: str) -> Path:
    """Return the local path of a large file, downloaded if necessary; a path is returned unchanged.

    A download whose checksum is known is kept under .dvc/tmp/ in the repository's root, and not repeated.

    Raises:
        InputError: the file does not exist, could not be fetched, or has another checksum.
    """
    found = resolve_location(location, root)
    scheme = urlsplit(found).scheme if "://" in found else "file"
    if scheme == "file":
        path = Path(unquote(urlsplit(found).path) if "://" in found else found)
        _require_file(path, parameter)
        check_content(path, sha256, found)
        return path
    name = Path(unquote(urlsplit(found).path)).name
    path = root / ".dvc" / "tmp" / "downloads" / f"{hashlib.sha256(found.encode()).hexdigest()[:12]}-{name}"
    if not (sha256 and path.is_file()):
        with replace_when_done(path) as temporary:
            fetch(found, temporary, parameter)
            refuse_html(temporary, found)
            check_content(temporary, sha256, found)
    elif compute_hash(path, "sha256") != sha256.lower():
        path.unlink()
        return fetch_cached(location, sha256, root, parameter)
    return path


def refuse_html(path: Path, location: str) -> None:
    """Raise InputError for a web page: servers often send one instead of a moved or private file."""
    with path.open("rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{location} is an HTML page, not a data set: check that it is the address of the file itself")


def check_content(path: Path, expected: str | None, location: str) -> str:
    """Return the file's SHA-256; raise InputError if the checksum is not the expected one (see `Source`)."""
    sha256 = compute_hash(path, "sha256")
    algorithm, _, digits = (expected or sha256).lower().rpartition(":")
    found = compute_hash(path, algorithm) if algorithm else sha256
    if found != digits:
        name = algorithm or "sha256"
        raise InputError(f"{location} has {name} {found}, expected {digits}: not the file that was meant")
    return sha256


def _copy(source: Path, target: Path, parameter: str) -> None:
    _require_file(source, parameter)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.errno in NO_ROOM:  # writing the copy failed, which `replace_when_done` reports
            raise
        raise InputError(f"{parameter}: {source} cannot be read: {error.strerror}") from None


def _require_file(path: Path, parameter: str) -> None:
    """Raise InputError unless it is a regular file. A device or a pipe might never end."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "a device or a pipe"
        problem = f"is {found}, expected a file" if path.exists() else "does not exist"
        raise InputError(f"{parameter}: {path} {problem}")


def _download(url: str, target: Path, parameter: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _stream(url, target, parameter)
            return
        except requests.RequestException as error:
            status = error.response.status_code if error.response is not None else None
            if attempt == ATTEMPTS or (status is not None and status < 500) or _is_hopeless(error):
                raise InputError(
                    f"{url} could not be downloaded ({_describe(error)}): set {parameter} to another address, or use a "
                    "local file"
                ) from None
            print(f"download: attempt {attempt} of {ATTEMPTS} failed ({_describe(error)})", file=sys.stderr)
            time.sleep(attempt / 2)
        except OSError as error:
            raise InputError(f"{target.parent} cannot be written to: {error.strerror}") from None


def _stream(url: str, target: Path, parameter: str) -> None:
    hooks = {"response": _check_redirect}
    with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, hooks=hooks) as response:
        response.raise_for_status()
        length = response.headers.get("content-length", "")
        announced = int(length) if length.isdecimal() else 0
        _save(response.iter_content(BLOCK_BYTES), announced, url, target, parameter)


def _save(blocks: Iterable[bytes], announced: int, url: str, target: Path, parameter: str) -> None:
    limit = min(MOST_BYTES, shutil.disk_usage(target.parent).free)
    _check_size(url, announced, limit, parameter)
    size = 0
    progress = tqdm(total=announced or None, unit="B", unit_scale=True, desc="download", disable=None)
    with target.open("wb") as file, progress:
        for block in blocks:
            size += len(block)
            _check_size(url, size, limit, parameter)  # the announced size need not be true
            file.write(block)
            progress.update(len(block))


def _check_redirect(response: requests.Response, **options: object) -> None:
    """Raise InputError for a redirect to anything but a web server, or from https to http."""
    if not response.is_redirect:
        return
    location = response.headers["location"]
    allowed = ["https"] if response.url.startswith("https:") else ["http", "https"]
    try:
        scheme = urlsplit(urljoin(response.url, location)).scheme
    except ValueError:  # not an address at all
        scheme = ""
    if scheme not in allowed:
        raise InputError(f"{response.url} redirects to {location}: expected an address with {' or '.join(allowed)}")


def _check_size(url: str, size: int, limit: int, parameter: str) -> None:
    if size > limit:
        reason = "as much as is free on this disk" if limit < MOST_BYTES else "the most that is downloaded"
        raise InputError(f"{parameter}: {url} has {size:,} bytes or more: expected at most {limit:,}, {reason}")


def _is_hopeless(error: requests.RequestException) -> bool:
    """Whether another attempt would fail the same way: a malformed address, a redirect that leads nowhere."""
    return isinstance(error, ValueError | requests.TooManyRedirects)


def _describe(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_SECONDS} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate could not be verified"
    if isinstance(error, requests.ConnectionError):
        return "the server could not be reached"
    if isinstance(error, ValueError):
        return "this is not a whole address"  # the error quotes it in pieces, and one may be a password
    return hide_password(str(error))
