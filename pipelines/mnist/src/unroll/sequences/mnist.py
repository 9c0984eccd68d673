"""MNIST: where its files come from, and how they are read."""

import hashlib
import math
import struct
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from urllib.parse import quote

import numpy as np

from unroll.base.errors import InputError
from unroll.base.files import replace_when_done
from unroll.data.unpack import explain_read_errors, open_unpacked

LIMIT_BYTES = 2**28  # MNIST's largest file has 47 million
TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
UINT8 = 0x08
DIMENSIONS = (1, 3)


def read_idx(path: Path, limit_bytes: int = LIMIT_BYTES) -> np.ndarray:
    """Return the array of an IDX file: uint8, [items] or [items, rows, columns].

    The header may announce at most `limit_bytes`, and no more than that is unpacked.

    Raises:
        InputError: the file is missing or incomplete, or holds anything else.
    """
    with explain_read_errors(path), open_unpacked(path) as file:
        shape = _read_shape(file, path)
        size = math.prod(shape)
        promise = " × ".join(f"{length:,}" for length in shape)
        if not 0 < size <= limit_bytes:
            raise InputError(f"{path}: the header promises {promise} bytes: expected 1 to {limit_bytes:,}")
        array = np.empty(shape, np.uint8)
        found = file.readinto(array.data)
        if found < size or file.read(1):
            more = "more than " if found == size else ""
            raise InputError(f"{path} has {more}{found:,} bytes after the header, expected {size:,} ({promise})")
    return array


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write an array of uint8, [items] or [items, rows, columns], without compression.

    Raises:
        ValueError: `read_idx` would refuse the array.
    """
    if array.dtype != np.uint8 or array.ndim not in DIMENSIONS or not array.size:
        raise ValueError(f"{array.dtype} {array.shape}: expected uint8 of one or three dimensions, not empty")
    with replace_when_done(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape))
        file.write(array.tobytes())


def compute_unpacked_md5(path: Path, limit_bytes: int = LIMIT_BYTES) -> str:
    """Return the MD5 of a file's content, unpacked if it is gzip, in hexadecimal.

    Raises:
        InputError: the file is missing or incomplete, or unpacks to more than `limit_bytes`.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with explain_read_errors(path), open_unpacked(path, limit_bytes) as file:
        while block := file.read(2**16):
            digest.update(block)
    return digest.hexdigest()


def _read_shape(file: BufferedIOBase, path: Path) -> tuple[int, ...]:
    """Read the header: a byte each for two zeros, the type and the number of dimensions; 4 bytes for each dimension."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        expected = " or ".join(bytes([0, 0, UINT8, count]).hex() for count in DIMENSIONS)
        found = magic.hex() or "none"
        raise InputError(f"{path} is not an IDX file: its first four bytes are {found}, expected {expected}")
    _, kind, dimensions = struct.unpack(">HBB", magic)
    if kind != UINT8 or dimensions not in DIMENSIONS:
        expected = f"{TYPES[UINT8]} of {' or '.join(map(str, DIMENSIONS))} dimensions"
        raise InputError(f"{path} holds {TYPES[kind]} of {dimensions} dimensions, expected {expected}")
    lengths = file.read(4 * dimensions)
    if len(lengths) < 4 * dimensions:
        raise InputError(f"{path} ends in its header: it has {4 + len(lengths)} bytes, expected {4 + 4 * dimensions}")
    return struct.unpack(f">{dimensions}I", lengths)


MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
LEVELS = {"digits": 16, "mnist": 255}  # the value of the darkest point


@dataclass(frozen=True)
class PictureSource:
    """A file of MNIST. Its MD5 is that of the unpacked content, because mirrors repack it."""

    name: str
    unpacked_md5: str

    def locate(self, base: str) -> str:
        """Return the file's location below an address or a folder."""
        return f"{base.rstrip('/')}/{quote(self.name) if '://' in base else self.name}"


SOURCES = (
    PictureSource("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb"),
    PictureSource("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624"),
    PictureSource("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea"),
    PictureSource("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637"),
)
