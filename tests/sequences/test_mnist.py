"""IDX files: what is written is read again, and one clear line for each way in which a file can be wrong."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unroll.base.errors import InputError
from unroll.sequences.mnist import compute_unpacked_md5, read_idx, write_idx

SHAPES = st.tuples(st.integers(1, 40)) | array_shapes(min_dims=3, max_dims=3, max_side=6)
ARRAYS = SHAPES.flatmap(lambda shape: arrays(np.uint8, shape))
HEADER = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3])
CONTENT = bytes(range(12))
# The official checksums of the unpacked files.
MNIST = {
    "train-images-idx3-ubyte.gz": ("6bbc9ace898e44ae57da46a324031adb", (60_000, 28, 28)),
    "train-labels-idx1-ubyte.gz": ("a25bea736e30d166cdddb491f175f624", (60_000,)),
    "t10k-images-idx3-ubyte.gz": ("2646ac647ad5339dbf082846283269ea", (10_000, 28, 28)),
    "t10k-labels-idx1-ubyte.gz": ("27ae3e4e09519cfbb04c329615203637", (10_000,)),
}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@given(ARRAYS)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    path = tmp_path_factory.getbasetemp() / "a-idx-ubyte"
    for laid_out in (array, np.asfortranarray(array)):
        write_idx(path, laid_out)
        for file in (path, write(path.with_suffix(".gz"), path.read_bytes())):
            again = read_idx(file)
            assert again.dtype == np.uint8 and again.flags.writeable
            np.testing.assert_array_equal(again, array)


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    assert (tmp_path / "a").read_bytes() == HEADER + CONTENT


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2), np.uint8), np.zeros(3, np.int64), np.zeros((0, 28, 28), np.uint8), np.uint8(1)]
)
def test_what_would_not_be_read_is_not_written(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8 of one or three dimensions"):
        write_idx(tmp_path / "a", np.asarray(array))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a-ubyte", "a-ubyte.gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file: its first four bytes are none, expected 00000801 or 00000803"),
        (b"\0\0\x08", "its first four bytes are 000008, expected"),
        (b"PNG?" + CONTENT, "its first four bytes are 504e473f, expected 00000801 or 00000803"),
        (b"\0\0\x07\x01" + CONTENT, "its first four bytes are 00000701, expected"),
        (b"\0\0\x0d\x03" + CONTENT, "holds float32 of 3 dimensions, expected uint8 of 1 or 3 dimensions"),
        (b"\0\0\x08\x02" + CONTENT, "holds uint8 of 2 dimensions, expected uint8 of 1 or 3 dimensions"),
        (HEADER[:10], "ends in its header: it has 10 bytes, expected 16"),
        (HEADER + CONTENT[:-1], "has 11 bytes after the header, expected 12 (2 × 2 × 3)"),
        (HEADER + CONTENT + b"\0", "has more than 12 bytes after the header, expected 12 (2 × 2 × 3)"),
        (HEADER[:4] + b"\xff" * 12, "promises 4,294,967,295 × 4,294,967,295 × 4,294,967,295 bytes: expected 1 to"),
        (HEADER[:4] + b"\0" * 4 + b"\xff" * 8, "promises 0 × 4,294,967,295 × 4,294,967,295 bytes: expected 1 to"),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}") and message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_idx, compute_unpacked_md5])
def test_files_that_are_not_there_or_no_whole_gzip(tmp_path: Path, read: object) -> None:
    with pytest.raises(InputError, match=r"a\.gz does not exist"):
        read(tmp_path / "a.gz")
    whole = gzip.compress(HEADER + CONTENT)
    wrong_checksum = whole[:-8] + b"\0" * 4 + whole[-4:]
    for damaged in (HEADER + CONTENT, whole[:-9], whole[:-1], whole + b"more", wrong_checksum):
        (tmp_path / "a.gz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.gz is not a whole gzip file"):
            read(tmp_path / "a.gz")


@given(st.binary(max_size=40), st.integers(0, 28))
def test_any_other_bytes_are_an_array_or_an_error_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, kept: int
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "any-ubyte", (HEADER + CONTENT)[:kept] + content)
    try:
        array = read_idx(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert path.read_bytes().endswith(array.tobytes()) and array.size


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    bomb = gzip.compress(HEADER + bytes(2**26))
    path.write_bytes(bomb[: len(bomb) // 2])  # unpacking all of it would show that its end is missing
    with pytest.raises(InputError, match="has more than 12 bytes after the header"):
        read_idx(path)
    with pytest.raises(InputError, match="has more than 100,000 bytes, unpacked"):
        compute_unpacked_md5(path, limit_bytes=100_000)


def test_the_header_may_promise_no_more_than_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "a", HEADER + CONTENT)
    assert read_idx(path, limit_bytes=12).tobytes() == CONTENT
    with pytest.raises(InputError, match="promises 2 × 2 × 3 bytes: expected 1 to 11"):
        read_idx(path, limit_bytes=11)


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_checksums_are_of_what_is_unpacked(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, CONTENT * 10_000)
    assert compute_unpacked_md5(path, limit_bytes=120_000) == hashlib.md5(CONTENT * 10_000).hexdigest()


@pytest.mark.parametrize("name", MNIST)
def test_the_real_files(mnist: Path, tmp_path: Path, name: str) -> None:
    md5, shape = MNIST[name]
    assert compute_unpacked_md5(mnist / name) == md5
    array = read_idx(mnist / name)
    assert array.shape == shape
    assert array.max() == (255 if array.ndim == 3 else 9)
    write_idx(tmp_path / "a", array)
    assert compute_unpacked_md5(tmp_path / "a") == md5
