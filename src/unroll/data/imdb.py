"""The Large Movie Review Dataset (Maas et al. 2011), read from its archive as it was published.

The archive is read from beginning to end and never unpacked to disk. Only tarfile's parser of single headers is used.
Reviews need none of its other features (long names, sparse files, links), and with them a hostile archive can fill the
memory or never end.
"""

import gzip
import re
import tarfile
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path, PurePosixPath

import pandas as pd

from unroll.base.errors import InputError
from unroll.data.unpack import CHUNK_ROWS, explain_read_errors, group_rows

REVIEW = re.compile(r"(?:\./)?aclImdb/(train|test)/(neg|pos)/[0-9]+_[0-9]+\.txt")
LABELS = {"neg": "negative", "pos": "positive"}
MOST_BYTES_OF_A_TEXT = 2**20
LIMIT_BYTES = 2**30  # unpacked; the official archive has about 300 MB
_TYPES_OF_TEXTS = (tarfile.REGTYPE, tarfile.AREGTYPE)
_TYPES_WITHOUT_CONTENT = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)


def read_reviews(path: Path, chunk_rows: int = CHUNK_ROWS, limit_bytes: int = LIMIT_BYTES) -> Iterator[pd.DataFrame]:
    """Yield chunks of `chunk_rows` rows, or fewer long ones: strings `text`, `label` and `part` ("train" or "test").

    Rows keep the archive's order: another one would need all texts in memory, or a second reading.

    Raises:
        InputError: the file is missing or is not a whole tar.gz; a member is outside the archive's folder, too long
            or not UTF-8; all of it unpacks to more than `limit_bytes`; there are no reviews.
    """
    reviews = _stream_reviews(path, limit_bytes)
    found = False
    for rows in group_rows(reviews, chunk_rows):
        found = True
        yield pd.DataFrame(rows, columns=["text", "label", "part"], dtype=str)
    if not found:
        raise InputError(f"{path} has no reviews: expected files aclImdb/{{train,test}}/{{neg,pos}}/ID_RATING.txt")


def _stream_reviews(path: Path, limit_bytes: int) -> Iterator[tuple[str, str, str]]:
    """Yield the text, label and part of each review; skip everything else in the archive."""
    with explain_read_errors(path), gzip.open(path, "rb") as file:
        while any(header := _read_exactly(file, tarfile.BLOCKSIZE, path)):
            member = _parse_header(header, path)
            size = 0 if member.type in _TYPES_WITHOUT_CONTENT else member.size
            end = file.tell() + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            if end > limit_bytes:
                raise _describe_excess(path, limit_bytes)
            review = REVIEW.fullmatch(member.name)
            if review and member.type in _TYPES_OF_TEXTS:
                yield _read_text(file, member, path), LABELS[review[2]], review[1]
            file.seek(end)
        # A block of zeros has ended the archive. The rest is read so that gzip checks its checksum.
        file.seek(limit_bytes)
        if file.read(1):
            raise _describe_excess(path, limit_bytes)


def _parse_header(header: bytes, path: Path) -> tarfile.TarInfo:
    try:
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise InputError(f"{path} is not a whole tar archive ({error}): download it again") from None
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{path}: {member.name!r} is outside the archive's folder: expected names in aclImdb/")
    if member.size < 0:
        raise InputError(f"{path}: {member.name!r} has {member.size:,} bytes: expected 0 or more")
    return member


def _read_text(file: BufferedIOBase, member: tarfile.TarInfo, path: Path) -> str:
    if member.size > MOST_BYTES_OF_A_TEXT:
        expected = f"expected at most {MOST_BYTES_OF_A_TEXT:,}"
        raise InputError(f"{path}: {member.name} has {member.size:,} bytes: {expected}")
    content = _read_exactly(file, member.size, path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1:,}, 0x{content[error.start]:02x},"
        raise InputError(f"{path}: {member.name}: {place} is not UTF-8") from None


def _read_exactly(file: BufferedIOBase, size: int, path: Path) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise InputError(f"{path} is not a whole tar archive (it ends too early): download it again")
    return content


def _describe_excess(path: Path, limit_bytes: int) -> InputError:
    return InputError(f"{path} has more than {limit_bytes:,} bytes, unpacked: expected at most that")
