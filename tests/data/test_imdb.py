"""The archive of movie reviews: what is read of it, and one clear line for each way in which it can be wrong."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.data.imdb import read_reviews

Rows = list[tuple[str, str, str]]
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
OFFICIAL = [
    ("aclImdb/README", "Large Movie Review Dataset v1.0"),
    ("aclImdb/imdb.vocab", "the\nand\n"),
    ("aclImdb/test/neg/0_2.txt", "Bad.<br /><br />Very bad."),
    ("aclImdb/test/pos/10_10.txt", "Café – good"),
    ("aclImdb/test/urls_pos.txt", "http://example.org/\n"),
    ("aclImdb/train/neg/1_1.txt", ""),
    ("aclImdb/train/pos/0_9.txt", "Good"),
    ("aclImdb/train/unsup/0_0.txt", "Who knows"),
    ("aclImdb/train/labeledBow.feat", "9 0:9\n"),
]
REVIEWS = [
    ("Bad.<br /><br />Very bad.", "negative", "test"),
    ("Café – good", "positive", "test"),
    ("", "negative", "train"),
    ("Good", "positive", "train"),
]


def make_member(name: str, content: str | bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    content = content.encode() if isinstance(content, str) else content
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mtime = 1300000000.5  # which PAX archives keep in a header of its own
    for attribute, value in changes.items():
        setattr(member, attribute, value)
    return member, content


def make_tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def write(path: Path, tar: bytes) -> Path:
    path.write_bytes(gzip.compress(tar, 1))
    return path


def read(path: Path, chunk_rows: int = 100, **options: int) -> Rows:
    chunks = read_reviews(path, chunk_rows, **options)
    return [row for chunk in chunks for row in chunk[["text", "label", "part"]].itertuples(index=False, name=None)]


def expect_line(path: Path, message: str, **options: int) -> None:
    with pytest.raises(InputError) as caught:
        read(path, **options)
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("prefix", ["", "./"])
def test_reviews_are_read_and_all_else_is_passed_over(tmp_path: Path, format: int, prefix: str) -> None:
    folders = [make_member(f"{prefix}aclImdb/{name}", type=tarfile.DIRTYPE) for name in ("", "train", "train/neg")]
    files = [make_member(prefix + name, content) for name, content in OFFICIAL]
    assert read(write(tmp_path / "a.tar.gz", make_tar(*folders, *files, format=format))) == REVIEWS


TEXTS = st.text(max_size=700)
PLACES = st.sampled_from([("train", "neg"), ("train", "pos"), ("test", "neg"), ("test", "pos")])


@given(st.lists(st.tuples(TEXTS, PLACES), min_size=1, max_size=9), st.integers(1, 10), st.sampled_from(FORMATS))
def test_all_texts_come_whole_in_the_archives_order_in_chunks(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, tuple[str, str]]], chunk_rows: int, format: int
) -> None:
    members = [
        make_member(f"aclImdb/{part}/{label}/{number}_7.txt", text)
        for number, (text, (part, label)) in enumerate(texts)
    ]
    path = write(tmp_path_factory.getbasetemp() / "all.tar.gz", make_tar(*members, format=format))
    names = {"neg": "negative", "pos": "positive"}
    assert read(path, chunk_rows) == [(text, names[label], part) for text, (part, label) in texts]
    sizes = [len(chunk) for chunk in read_reviews(path, chunk_rows)]
    assert set(sizes[:-1]) <= {chunk_rows} and 0 < sizes[-1] <= chunk_rows


@pytest.mark.parametrize(
    "member",
    [
        make_member("aclImdb/train/neg/1_1.txt", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        make_member("aclImdb/train/neg/1_1.txt", type=tarfile.SYMTYPE, linkname="../pos/0_9.txt"),
        make_member("aclImdb/train/neg/1_1.txt", type=tarfile.LNKTYPE, linkname="aclImdb/train/pos/0_9.txt"),
        make_member("aclImdb/train/neg/1_1.txt", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        make_member("aclImdb/train/neg/1_1.txt", type=tarfile.FIFOTYPE),
        make_member("aclImdb/train/neg/1_1.txt", type=tarfile.DIRTYPE),
        make_member("aclImdb/train/neg/1_1.txt", "x", type=b"?"),
        make_member("else/aclImdb/train/neg/1_1.txt", "x"),
        make_member("aclImdb/train/neg/._1_1.txt", "x"),
        make_member("aclImdb/train/neg/1_1.txt\n", "x"),
        make_member("aclImdb/train/neg/" + "1" * 300 + "_1.txt", "x"),
    ],
)
@pytest.mark.parametrize("format", FORMATS[1:])
def test_only_regular_files_in_their_place_are_read(tmp_path: Path, member: tuple, format: int) -> None:
    tar = make_tar(member, make_member("aclImdb/train/pos/0_9.txt", "Good"), format=format)
    assert read(write(tmp_path / "a.tar.gz", tar)) == [("Good", "positive", "train")]


GOOD = make_member("aclImdb/train/pos/0_9.txt", "Good")
# A header and a block with a text, then a header and three blocks.
WHOLE = make_tar(GOOD, make_member("aclImdb/train/neg/1_1.txt", "Bad" * 500))


def spoil(tar: bytes, place: int) -> bytes:
    return tar[:place] + bytes([tar[place] ^ 1]) + tar[place + 1 :]


@pytest.mark.parametrize(
    ("tar", "message"),
    [
        (make_tar(), "has no reviews: expected files aclImdb/{train,test}/{neg,pos}/ID_RATING.txt"),
        (make_tar(make_member("train/neg/1_1.txt", "x")), "has no reviews: expected files aclImdb/"),
        (make_tar(GOOD, make_member("../x.txt")), "'../x.txt' is outside the archive's folder"),
        (make_tar(GOOD, make_member("aclImdb/../../x", type=tarfile.DIRTYPE)), "is outside the archive's folder"),
        (make_tar(GOOD, make_member("/etc/\x1b[31m")), r"'/etc/\x1b[31m' is outside the archive's folder"),
        (make_tar(GOOD, make_member("/e\udcff", type=tarfile.SYMTYPE)), r"'/e\udcff' is outside the archive's folder"),
        (
            make_tar(make_member("aclImdb/test/neg/3_1.txt", b"na\xefve")),
            "aclImdb/test/neg/3_1.txt: byte 3, 0xef, is not UTF-8",
        ),
        (
            make_tar(make_member("aclImdb/test/neg/3_1.txt", bytes(2**20 + 1))),
            "aclImdb/test/neg/3_1.txt has 1,048,577 bytes: expected at most 1,048,576",
        ),
        (make_member("a", size=-512)[0].tobuf(tarfile.GNU_FORMAT), "'a' has -512 bytes: expected 0 or more"),
        (make_member("a", size=2**40)[0].tobuf(tarfile.GNU_FORMAT), "has more than 1,073,741,824 bytes, unpacked"),
        (b"", "is not a whole tar archive (it ends too early): download it again"),
        (b"text,label\n" * 100, "is not a whole tar archive (invalid header): download it again"),
        (WHOLE[:700], "is not a whole tar archive (it ends too early)"),
        (WHOLE[:1536], "is not a whole tar archive (it ends too early)"),
        (WHOLE[:1700], "is not a whole tar archive (it ends too early)"),
        (spoil(WHOLE, 1100), "is not a whole tar archive (bad checksum)"),
    ],
)
def test_wrong_archives(tmp_path: Path, tar: bytes, message: str) -> None:
    expect_line(write(tmp_path / "a.tar.gz", tar), message)


def test_files_that_are_not_there_or_no_whole_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    expect_line(path, "does not exist")
    whole = gzip.compress(WHOLE)
    wrong_checksum = whole[:-8] + b"\0" * 4 + whole[-4:]
    for damaged in (b"", WHOLE, b"PK\3\4", whole[:60], whole[:-9], whole[:-1], whole + b"more", wrong_checksum):
        path.write_bytes(damaged)
        expect_line(path, "is not a whole " if not damaged else "is not a whole gzip file")


@pytest.mark.parametrize("tar", [WHOLE + bytes(2**25), make_tar(GOOD, make_member("x", bytes(2**25)))])
def test_a_bomb_is_not_unpacked(tmp_path: Path, tar: bytes) -> None:
    path = tmp_path / "a.tar.gz"
    bomb = gzip.compress(tar)
    path.write_bytes(bomb[: len(bomb) // 2])  # unpacking all of it would show that its end is missing
    expect_line(path, "has more than 1,000,000 bytes, unpacked: expected at most that", limit_bytes=1_000_000)


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=700), st.booleans())
def test_whatever_is_damaged_ends_in_rows_or_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes, cut: bool
) -> None:
    tar = WHOLE[:place] + damage + (b"" if cut else WHOLE[place + len(damage) :])
    path = write(tmp_path_factory.getbasetemp() / "damaged.tar.gz", tar)
    try:
        assert len(read(path)) in (1, 2)
    except InputError as error:
        assert "\n" not in str(error)
