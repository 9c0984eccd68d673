"""Pretrained word vectors from files in the text formats of GloVe and word2vec, plain or packed, read in blocks.

A line is a word and its numbers, with one space between them; word2vec's first line is `ROWS SIZE`. The binary format
of word2vec is not read.
"""

import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, takewhile
from pathlib import Path
from statistics import mode
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unroll.base.errors import InputError
from unroll.data.unpack import limit_unpacked

BLOCK_BYTES = 2**20
UNPACKED_BYTES = 16 * 2**30
TEXT_SUFFIXES = (".txt", ".vec")
RARE_FLAGS = 0b110_0001  # flags of an archive's member: encrypted, a patch, strongly encrypted
_HEADER = re.compile(rb"([1-9]\d{0,11}) ([1-9]\d{0,8})")
_NUMBER = re.compile(rb"[-+]?((\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?|nan|inf(inity)?)", re.IGNORECASE)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def iterate_vectors(
    path: Path, size: int | None = None, unpacked_bytes: int = UNPACKED_BYTES
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield words and vectors, [block, size] float32, from a text file, a .gz file or a member of a .zip.

    size: the vectors' size; None accepts any. If a .zip holds several texts, it selects the member with `.{size}d.` in
    its name. A word may contain spaces, but its last part must not be a number: all numbers at the end of a line are
    taken for its vector.

    Raises:
        InputError: the file is missing, empty, damaged, larger than `unpacked_bytes` when unpacked, or not UTF-8; it
            has vectors of another size, or a line that does not fit the others; or it is in word2vec's binary format.
    """
    try:
        with _open_text(path, size) as (name, file):
            is_packed = path.suffix.lower() in (".gz", ".zip")
            limit = min(unpacked_bytes, limit_unpacked(path)) if is_packed else None
            yield from _parse_blocks(name, _read_lines(name, file, limit), size)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: expected a file of word vectors") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a whole {path.suffix[1:]} file ({error}): download it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def _open_text(path: Path, size: int | None) -> Iterator[tuple[str, IO[bytes] | gzip.GzipFile]]:
    """Open the text in a file; also yield its name for messages."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.open(path) as file:
            yield str(path), file
    elif suffix == ".zip":
        with _open_archive(path) as archive:
            member = _choose_member(path, archive.infolist(), size)
            with archive.open(member) as file:
                yield f"{path}, {member.filename!r}", file
    else:
        with path.open("rb") as file:
            yield str(path), file


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (ValueError, NotImplementedError, struct.error) as error:  # a damaged list of members raises these, too
        raise zipfile.BadZipFile(error) from None


def _choose_member(path: Path, members: list[zipfile.ZipInfo], size: int | None) -> zipfile.ZipInfo:
    # In that folder, macOS puts a file of its own for each file.
    own = [member for member in members if not member.filename.startswith("__MACOSX/")]
    texts = [member for member in own if member.filename.lower().endswith(TEXT_SUFFIXES)]
    fitting = [member for member in texts if f".{size}d." in member.filename]
    if len(texts) != 1 and len(fitting) != 1:
        wanted = f"one with .{size}d. in its name" if size else "one alone, or a size to choose one by"
        names = ", ".join(repr(member.filename) for member in (texts or own)[:10]) or "nothing"
        raise InputError(f"{path} holds {names}: expected a text ({' or '.join(TEXT_SUFFIXES)}), {wanted}")
    (member,) = fitting if len(fitting) == 1 else texts
    # Other methods unpack without a limit: a few bytes could fill the memory.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & RARE_FLAGS:
        raise InputError(f"{path}, {member.filename!r} is encrypted or packed in a rare way: expected a usual .zip")
    return member


def _read_lines(name: str, file: IO[bytes] | gzip.GzipFile, limit: int | None) -> Iterator[list[bytes]]:
    """Yield the lines of each block of the file, without their ends."""
    rest, total, number = b"", 0, 1
    while block := file.read(BLOCK_BYTES):
        total += len(block)
        if limit is not None and total > limit:
            raise InputError(f"{name} is larger than {limit:,} bytes when unpacked: not a file of word vectors")
        *lines, rest = (rest + block).split(b"\n")
        number += len(lines)
        if len(rest) > BLOCK_BYTES:
            raise InputError(f"{name}, line {number} is longer than {BLOCK_BYTES:,} bytes: expected a word and numbers")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _parse_blocks(
    name: str, blocks: Iterator[list[bytes]], asked: int | None
) -> Iterator[tuple[list[str], np.ndarray]]:
    first = next(blocks, None)
    if first is None:
        raise InputError(f"{name} is empty: expected word vectors")
    header = _HEADER.fullmatch(first[0].rstrip(b" \r"))
    start = 2 if header else 1
    blocks = filter(None, chain([first[start - 1 :]], blocks))
    size, line = int(header[2]) if header else _find_size(name, first), start
    if asked not in (None, size):
        raise InputError(f"{name} has vectors of size {size}: expected {asked}, the size that is asked for")
    for lines in blocks:
        try:
            yield _parse_lines(name, lines, line, size)
        except InputError:
            if header and line == start and any(map(_NO_TEXT.search, lines)):
                raise InputError(f"{name} is in word2vec's binary format: expected its text format") from None
            raise
        line += len(lines)
    if header and line - start != int(header[1]):
        raise InputError(f"{name} has {line - start} rows: expected {int(header[1])}, as its first line says")


def _find_size(name: str, lines: list[bytes]) -> int:
    """Return how many numbers most of the first lines end in: a single line may be wrong or have a word with spaces."""
    size = mode(_count_numbers(line.rstrip(b" \r").split(b" ")) for line in lines[:10])
    if not size:
        raise InputError(f"{name}, line 1 is {_show(lines[0])}: expected a word and its numbers between spaces")
    return size


def _count_numbers(parts: list[bytes]) -> int:
    """Return how many parts at the end of a line are numbers; the first part is always a word."""
    return sum(1 for _ in takewhile(_NUMBER.fullmatch, reversed(parts[1:])))


def _parse_lines(name: str, lines: list[bytes], number: int, size: int) -> tuple[list[str], np.ndarray]:
    """Return the words and vectors of lines, of which the first is line `number` of the file."""
    words, vectors = [], []
    for index, line in enumerate(lines):
        line = line.rstrip(b" \r")  # the original word2vec ends lines with a space
        if line.count(b" ") == size:
            word, _, vector = line.partition(b" ")
        else:
            word, vector = _split_line(f"{name}, line {number + index}", line, size)
        words.append(word)
        vectors.append(vector)
    values = _parse_numbers(vectors)
    if values is None:
        index = next(index for index, vector in enumerate(vectors) if _parse_numbers([vector]) is None)
        value = next(value for value in vectors[index].split(b" ") if _parse_numbers([value]) is None)
        place = f"{name}, line {number + index}, word {_show(words[index])}"
        raise InputError(f"{place}: {_show(value)} is no finite number")
    return _decode_words(name, words, number), values.reshape(len(lines), size)


def _split_line(place: str, line: bytes, size: int) -> tuple[bytes, bytes]:
    """Split a line whose word has spaces, if that is what it is."""
    parts = line.split(b" ")
    found = _count_numbers(parts)
    if found > size or len(parts) <= size:
        raise InputError(f"{place} has a vector of size {found}: expected {size}, that of the other lines")
    return b" ".join(parts[:-size]), b" ".join(parts[-size:])


def _parse_numbers(vectors: list[bytes]) -> np.ndarray | None:
    """Return the numbers between single spaces, [numbers] float32; None if one of them is no finite number."""
    texts = pc.split_pattern(pa.array([b" ".join(vectors)], pa.binary()), " ").flatten()
    try:
        values = texts.cast(pa.float32()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return values if np.isfinite(values).all() else None


def _decode_words(name: str, words: list[bytes], number: int) -> list[str]:
    try:
        return b"\n".join(words).decode().split("\n")
    except UnicodeDecodeError as error:
        line = number + error.object.count(b"\n", 0, error.start)
        byte = error.object[error.start]
        raise InputError(f"{name}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None


def _show(text: bytes) -> str:
    return repr(text[:60].decode(errors="backslashreplace"))
