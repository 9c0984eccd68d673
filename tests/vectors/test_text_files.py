"""Word vectors from files: the formats, what is computed from them, and one clear line for each wrong file."""

import gzip
import io
import re
import struct
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unroll.base.errors import InputError
from unroll.vectors.lookup import FileVectors, fill_missing, read_word_vectors
from unroll.vectors.text_files import iterate_vectors
from workspaces import REAL_DATA

TEXT = "the 0.5 -1\n, 1e-3 +2\nking .25 3.\n"
WORDS, VECTORS = ["the", ",", "king"], [[0.5, -1], [0.001, 2], [0.25, 3]]
FORMATS = ("a.txt", "a.txt.gz", "a.zip")


def write(path: Path, content: str | bytes, member: str = "a.txt") -> Path:
    content = content.encode() if isinstance(content, str) else content
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, content)
    else:
        path.write_bytes(gzip.compress(content) if path.suffix.lower() == ".gz" else content)
    return path


def read(path: Path, size: int | None = None) -> tuple[list[str], np.ndarray]:
    words, vectors = zip(*iterate_vectors(path, size), strict=True)
    assert all(block.dtype == np.float32 for block in vectors)
    return [word for block in words for word in block], np.concatenate(vectors)


def format_rows(words: list[str], vectors: np.ndarray) -> str:
    return "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, vectors, strict=True))


@pytest.fixture
def glove() -> Path:
    """The 5,050 most frequent words of GloVe 6B, 50 numbers each."""
    path = REAL_DATA / "glove" / "glove.6B.50d.top5k.txt.gz"
    if not path.is_file():
        pytest.skip(f"the real GloVe vectors are not there: {path}")
    return path


@pytest.mark.parametrize("name", [*FORMATS, "A.TXT.GZ", "A.ZIP", "vectors"])
@pytest.mark.parametrize("header", ["", "3 2\n"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])  # word2vec ends its lines with a space
def test_formats(tmp_path: Path, name: str, header: str, end: str) -> None:
    words, vectors = read(write(tmp_path / name, (header + TEXT).replace("\n", end)), 2)
    assert words == WORDS
    np.testing.assert_array_equal(vectors, np.float32(VECTORS))


def test_the_last_line_need_not_end(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.txt", TEXT[:-1]))[0] == WORDS


def test_words_may_hold_spaces_also_in_the_first_line(tmp_path: Path) -> None:
    words, vectors = read(write(tmp_path / "a.txt", ". . . 1 2\nof 1999 to 3 4\n 5 6\nname@domain.com 7 8\n"))
    assert words == [". . .", "of 1999 to", "", "name@domain.com"]
    assert vectors.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
# No line end; and no word that goes on with numbers alone, as they would be its vector's.
PARTS = st.text(st.characters(exclude_characters="\n ", exclude_categories=["Cs"]), min_size=1, max_size=8)
LAST = PARTS.filter(lambda part: not re.match(r"[-+.\dni]", part, re.IGNORECASE))
SPACED = st.builds(lambda parts, last: " ".join([*parts, last]), st.lists(PARTS, max_size=3), LAST)


@given(st.data(), st.sampled_from(FORMATS), st.integers(1, 30), st.booleans())
def test_what_is_written_is_read(data: st.DataObject, name: str, size: int, header: bool) -> None:
    words = data.draw(st.lists(PARTS | SPACED, min_size=1, max_size=20))
    vectors = data.draw(hnp.arrays(np.float32, (len(words), size), elements=NUMBERS))
    text = (f"{len(words)} {size}\n" if header else "") + format_rows(words, vectors)
    with TemporaryDirectory() as folder:
        found, values = read(write(Path(folder) / name, text), data.draw(st.sampled_from([None, size])))
    assert found == words
    np.testing.assert_array_equal(values, vectors)


@pytest.fixture(scope="module")
def many() -> tuple[list[str], np.ndarray]:
    """Rows that fill several blocks; their mean is far from zero and every hundredth word occurs twice."""
    vectors = np.random.default_rng(0).normal([1e4, 0, -3], [0.1, 5, 1e-3], (50_000, 3)).astype(np.float32)
    return [f"word {number - number % 100 // 99}" for number in range(len(vectors))], vectors


@pytest.mark.parametrize("name", FORMATS)
def test_blocks(tmp_path: Path, name: str, many: tuple[list[str], np.ndarray]) -> None:
    words, vectors = many
    path = write(tmp_path / name, format_rows([f"{word}x" for word in words], vectors))
    assert len(list(iterate_vectors(path))) > 1
    found, values = read(path)
    assert found == [f"{word}x" for word in words]
    np.testing.assert_array_equal(values, vectors)


def test_chosen_words_and_the_statistics_of_all(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", TEXT + "the 7 7\n")
    result = read_word_vectors(path, ["<pad>", "king", "queen", "the"], 2)
    assert result.found.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(result.vectors, np.float32([[0, 0], [0.25, 3], [0, 0], [0.5, -1]]))
    everything = np.float32([*VECTORS, [7, 7]]).astype(np.float64)
    np.testing.assert_allclose(result.mean, everything.mean(axis=0))
    np.testing.assert_allclose(result.std, everything.std(axis=0))


def test_statistics_over_blocks_lose_no_digits(tmp_path: Path, many: tuple[list[str], np.ndarray]) -> None:
    words, vectors = many
    words = [word.replace(" ", "_") for word in words]
    wanted = list(dict.fromkeys(words[::-7]))
    result = read_word_vectors(write(tmp_path / "a.txt", format_rows(words, vectors)), wanted, 3)
    assert result.found.all()
    first = {word: row for row, word in reversed(list(enumerate(words)))}
    np.testing.assert_array_equal(result.vectors, vectors[[first[word] for word in wanted]])
    np.testing.assert_allclose(result.mean, vectors.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(result.std, vectors.std(axis=0, dtype=np.float64), rtol=1e-9)


def test_missing_words_are_drawn_like_the_others() -> None:
    found = np.arange(20_000) < 100
    vectors = np.where(found[:, None], np.float32([7, 7]), np.float32(0))
    known = FileVectors(vectors, found, np.array([3.0, -1.0]), np.array([0.5, 2.0]))
    filled = fill_missing(known, 1)
    assert filled.dtype == np.float32 and not vectors[100:].any()
    np.testing.assert_array_equal(filled[:100], vectors[:100])
    np.testing.assert_allclose(filled[100:].mean(axis=0), [3, -1], atol=0.1)
    np.testing.assert_allclose(filled[100:].std(axis=0), [0.5, 2], rtol=0.05)
    assert fill_missing(known, 1).tobytes() == filled.tobytes() != fill_missing(known, 2).tobytes()


def test_real_vectors(glove: Path) -> None:
    words, vectors = read(glove, 50)
    assert vectors.shape == (5050, 50) and words[:3] == ["the", ",", "."]
    with gzip.open(glove, "rt", encoding="utf-8") as file:
        expected = [line.split() for line in file]
    assert words == [row[0] for row in expected]
    np.testing.assert_array_equal(vectors, np.array([row[1:] for row in expected], dtype=np.float32))
    result = read_word_vectors(glove, ["king", "no such word"], 50)
    assert result.found.tolist() == [True, False]
    np.testing.assert_allclose(result.mean, vectors.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(result.std, vectors.std(axis=0, dtype=np.float64))


def write_archive(path: Path, **texts: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    return path


def test_a_member_is_chosen_by_size(tmp_path: Path) -> None:
    texts = {"glove_1d_txt": "a 1\n", "glove_2d_txt": "a 1 2\n", "glove_12d_txt": "b 1\n"}
    path = write_archive(tmp_path / "a.zip", **texts)
    assert read(path, 2)[1].tolist() == [[1, 2]]
    listed = r"a\.zip holds 'glove\.1d\.txt', 'glove\.2d\.txt', 'glove\.12d\.txt': expected a text \(\.txt or \.vec\), "
    with pytest.raises(InputError, match=listed + r"one with \.3d\. in its name"):
        read(path, 3)
    with pytest.raises(InputError, match=listed + "one alone, or a size to choose one by"):
        read(path)
    with pytest.raises(InputError, match=r"a\.zip, 'glove\.12d\.txt' has vectors of size 1: expected 12"):
        read(path, 12)


def test_the_only_text_of_an_archive_is_the_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("README.md", "no vectors")
        archive.writestr("folder/news.VEC", TEXT)
        archive.writestr("__MACOSX/folder/._news.txt", b"\0")
    assert read(tmp_path / "a.zip", 2)[0] == WORDS


@pytest.mark.parametrize(("members", "listed"), [(["a.md", "b/"], "'a.md', 'b/'"), ([], "nothing")])
def test_an_archive_without_text(tmp_path: Path, members: list[str], listed: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in members:
            archive.writestr(name, "")
    with pytest.raises(InputError, match=f"holds {listed}: expected a text"):
        read(tmp_path / "a.zip", 2)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_that_unpacks_without_bound(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.txt", TEXT)
    with pytest.raises(InputError, match=r"a\.zip, 'a\.txt' is encrypted or packed in a rare way"):
        read(tmp_path / "a.zip")


@pytest.mark.parametrize("flag", [0x01, 0x20, 0x40])
def test_an_encrypted_archive(tmp_path: Path, flag: int) -> None:
    content = bytearray(write(tmp_path / "a.zip", TEXT).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= flag
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip, 'a\.txt' is encrypted or packed in a rare way"):
        read(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty: expected word vectors"),
        ("the\n", "line 1 is 'the': expected a word and its numbers between spaces"),
        ("the\t1\t2\n", r"line 1 is 'the\t1\t2': expected a word and its numbers between spaces"),
        ("a 1 2\nb 1\nc 1 2\n", "line 2 has a vector of size 1: expected 2, that of the other lines"),
        ("a 1 2\nb 1 2 3\nc 1 2\n", "line 2 has a vector of size 3: expected 2"),
        ("a 1 2 3\nb 1 2\nc 1 2\n", "line 1 has a vector of size 3: expected 2"),
        ("a 1 2\n\nc 1 2\n", "line 2 has a vector of size 0: expected 2"),
        ("a 1 2\nb 1 x\n", "line 2, word 'b': 'x' is no finite number"),
        ("a 1 2\nb c 1 1,5\n", "line 2, word 'b c': '1,5' is no finite number"),
        ("a 1 2\nb 1  2\n", "line 2, word 'b 1': '' is no finite number"),
        ("a 1 2\nb  2\n", "line 2, word 'b': '' is no finite number"),
        ("a 1 nan\n", "line 1, word 'a': 'nan' is no finite number"),
        ("a 1 2\nb -inf 2\n", "line 2, word 'b': '-inf' is no finite number"),
        ("a 1 2\nb 1 1e39\n", "line 2, word 'b': '1e39' is no finite number"),
        ("a 1 2\nb 1 0x1f\n", "line 2, word 'b': '0x1f' is no finite number"),
        (b"a 1 2\nc\xff 1 2\n", "line 2: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"a 1 2\nb 1 \xe9\n", r"line 2, word 'b': '\\xe9' is no finite number"),
        ("3 2\na 1 2\nb 1 2\n", "has 2 rows: expected 3, as its first line says"),
        ("1 2\na 1 2\nb 1 2\n", "has 2 rows: expected 1, as its first line says"),
        ("2 2\n", "has 0 rows: expected 2, as its first line says"),
        ("2 2\na 1 2 3\nb 1 2 3\n", "line 2 has a vector of size 3: expected 2"),
        ("2 3\na 1 2\nb 1 2\n", "line 2 has a vector of size 2: expected 3"),
        ("a " + "1" * 900_000 + "x", f"line 1 is 'a {'1' * 58}': expected a word and its numbers between spaces"),
        ("a " + "1" * 3_000_000, "line 1 is longer than 1,048,576 bytes: expected a word and numbers"),
        (f"{'a' * 60} 1 2\n" * 20_000 + "b 1\n", "line 20001 has a vector of size 1: expected 2"),
        (f"{'a' * 60} 1 2\n" * 20_000 + "b 1 x\n", "line 20001, word 'b': 'x' is no finite number"),
    ],
)
@pytest.mark.parametrize("name", FORMATS)
def test_wrong_files(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        read(path)
    place = f"{path}, 'a.txt'" if name == "a.zip" else str(path)
    assert str(caught.value).startswith(place) and message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "\n"])  # after each vector
@pytest.mark.parametrize("name", ["a.bin", "a.bin.gz"])
def test_the_binary_format_is_refused(tmp_path: Path, end: str, name: str) -> None:
    rows = [f"word{n} ".encode() + struct.pack("<5f", n, 0.5, -0.3, 0.1, 1e-3) + end.encode() for n in range(20)]
    with pytest.raises(InputError, match=f"{name} is in word2vec's binary format: expected its text format"):
        read(write(tmp_path / name, b"20 5\n" + b"".join(rows)))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for name in FORMATS:
        with pytest.raises(InputError, match=f"{name} does not exist"):
            read(tmp_path / name)
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=f"{name} cannot be read: Is a directory"):
            read(tmp_path / name)


@pytest.mark.parametrize("name", FORMATS[1:])
def test_a_bomb_is_not_unpacked(tmp_path: Path, name: str) -> None:
    # Long words and few numbers, which are read quickly.
    path = write(tmp_path / name, ("a" * 2**19 + " 0 0\n") * 300)
    limit = 100 * path.stat().st_size + 2**26
    assert limit < 300 * 2**19
    with pytest.raises(InputError, match=f"is larger than {limit:,} bytes when unpacked: not a file of word vectors"):
        read_word_vectors(path, [], 2)


@pytest.mark.parametrize("name", FORMATS[1:])
def test_unpacked_size_has_a_bound(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "a 0 0\n" * 1_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="is larger than 5,000,000 bytes when unpacked"):
        read_word_vectors(path, [], 2, unpacked_bytes=5_000_000)
    assert sum(len(block) for _, block in iterate_vectors(path, unpacked_bytes=6_000_000)) == 1_000_000


@pytest.mark.parametrize("name", ["a.txt.gz", "a.zip"])
@pytest.mark.parametrize("content", [b"", TEXT.encode()])
def test_what_is_no_archive(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"is not a whole (gz|zip) file|is empty"):
        read(tmp_path / name)


def pack(suffix: str) -> bytes:
    """Return a packed file of enough rows for real compression."""
    text = format_rows([f"word{n}" for n in range(300)], np.random.default_rng(0).normal(size=(300, 5)))
    if suffix == ".gz":
        return gzip.compress(text.encode(), mtime=0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.txt"), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


PACKED = {suffix: pack(suffix) for suffix in (".gz", ".zip")}


@given(st.sampled_from([".gz", ".zip"]), st.data())
def test_a_damaged_archive_is_refused_or_gives_what_was_packed(suffix: str, data: st.DataObject) -> None:
    damaged = bytearray(PACKED[suffix])
    # Most of the damage where an archive's own records are: at its ends.
    near_the_ends = st.integers(-120, 120).map(lambda place: place % len(damaged))
    for place in data.draw(st.lists(near_the_ends | st.integers(0, len(damaged) - 1), max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.just(len(damaged)) | st.integers(0, len(damaged))) :]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(damaged)
        try:
            words, _ = read(path)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert words == [f"word{n}" for n in range(300)]
