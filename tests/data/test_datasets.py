"""Reading tables: the formats, and one clear line for each way in which a file can be wrong."""

import csv
import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.data import decoding
from unroll.data.datasets import Layout, choose_layout, list_sources, read_rows
from unroll.data.tables import find_suffix, read_table
from unroll.data.unpack import group_rows
from unroll.params.texts import SAMPLE, DataParams

many = settings(deadline=None)
CELLS = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(['"', '""', ",", "\t", "\n", "\r", 'end"'])
LAYOUT = Layout(None, ("title",), (), "label", None)
AG_NEWS = Layout(("class", "title", "description"), ("title", "description"), (), "class", {"1": "World"})


def make_params(**changes: object) -> DataParams:
    empty = dict.fromkeys(("url", "sha256", "test_url", "test_sha256", "pattern", "context_column"))
    empty |= {"file": SAMPLE, "test_file": SAMPLE, "encoding": "utf-8"}
    return DataParams(
        **({"dataset": "sample", "text": "title", "text_column": "text", "label_column": "label"} | empty | changes)
    )


def write(path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path: Path, layout: Layout = LAYOUT, *columns: str) -> list[tuple]:
    chosen = list(columns or ("text", "label", "row"))
    return [tuple(row) for chunk in read_rows(path, layout) for row in chunk[chosen].itertuples(index=False)]


TABLE = 'title,label\n"Comma, ""quote""\nand line",Sports\nNA,World\n,\n'
ROWS = [('Comma, "quote"\nand line', "Sports", 1), ("NA", "World", 2), ("", "", 3)]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "A.CSV"])
def test_delimited_files(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name, TABLE)) == ROWS


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"\xef\xbb\xbf" + TABLE.encode())) == ROWS


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_tab_separated_files(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name, "label\ttitle\n World \tOne, two\n")) == [("One, two", "World", 1)]


def test_parquet_files_of_any_column_type(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"title": ["One", None], "label": [3, 4], "vector": [[1.0, 2.0], None]}).to_parquet(path)
    assert read(path) == [("One", "3", 1), ("", "4", 2)]


def test_what_is_not_the_text_is_its_context(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '"1","Title","Description"\n"2","Second",""\n')
    for text, rows in {
        "title": [("Title", "Description"), ("Second", "")],
        "description": [("Description", "Title"), ("", "Second")],
        "title+description": [("Title Description", ""), ("Second ", "")],
    }.items():
        assert read(path, choose_layout(make_params(dataset="ag_news", text=text)), "text", "context") == rows
    own = make_params(dataset="csv", file="a.csv", text_column="title", context_column="lead")
    path = write(tmp_path / "b.csv", "title,label,lead\nA,x,More\nB,y,\n")
    assert read(path, choose_layout(own), "text", "context") == [("A", "More"), ("B", "")]
    with pytest.raises(InputError, match="has no column 'lead': its columns are title, label"):
        read(write(tmp_path / "c.csv", "title,label\nA,x\n"), choose_layout(own))


def test_the_official_layout_has_no_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '"1","Title","Description"\n"1","Second",""\n')
    assert read(path, AG_NEWS) == [("Title Description", "1", 1), ("Second ", "1", 2)]


def test_a_row_that_is_not_utf_8_is_numbered_without_a_header_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'"1","ok",""\n"1","\xff",""\n')
    with pytest.raises(InputError, match="row 2: byte 0xff"):
        read(path, AG_NEWS)


def test_rows_are_numbered_on_through_chunks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "title,label\n" + "x,y\n" * 45_000)
    assert [row[2] for row in read(path)] == list(range(1, 45_001))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty: expected a table with text and labels"),
        ("a.csv", "title,label\n", "a.csv has no rows: expected a table with text and labels"),
        ("a.csv", "headline,label\nx,y\n", "a.csv has no column 'title': its columns are headline, label"),
        ("a.csv", b"title,label\nok,x\nca\xff,y\n", "a.csv, row 2: byte 0xff is not UTF-8; "),
        ("a.csv", b"t\xc3tle,label\nok,x\n", "a.csv, header row: byte 0xc3 is not UTF-8"),
        ("a.csv", b"title,label\n" + b"x" * 200_000 + b"\xff,y\n", "a.csv, row 1: byte 0xff is not UTF-8"),
        ("a.csv.gz", b'title,label\n"a\nb",x\n"\xe9",y\n', "a.csv.gz, row 2: byte 0xe9 is not UTF-8"),
        (
            "a.csv",
            "title,label\na,b,c\n",
            "a.csv is not a well-formed table: Expected 2 fields in line 2, saw 3",
        ),
        ("a.csv", 'title,label\n"a,b\n', "a.csv is not a well-formed table: EOF inside string starting at row 1"),
        ("a.parquet", "title,label\n", "a.parquet cannot be read as a parquet table of text"),
        (
            "a.json",
            "[]",
            "tells no known format: expected .csv, .csv.gz, .tsv, .tsv.gz, .jsonl, .jsonl.gz, .parquet",
        ),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(write(tmp_path / name, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b\.csv does not exist"):
        read(tmp_path / "b.csv")


BOMB = 64 * 2**20 + 100 * 2**20  # bytes; packed they are less than 2**20, so that more are too many


def write_bomb(path: Path, block: bytes) -> None:
    """Pack a header and then so many blocks that they are larger than `BOMB`; leave the end of the file away."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"title,label\n")
        for _ in range(BOMB // len(block) + 1):
            file.write(block)
    path.write_bytes(path.read_bytes()[:-8])  # unpacking all of it would show that its checksum is missing


@pytest.mark.parametrize("block", [(b"x" * 2**16 + b",y\n") * 16, (b'"' + b"x" * 2**16 + b"\n") * 16])
def test_a_bomb_is_not_unpacked(tmp_path: Path, block: bytes) -> None:
    path = tmp_path / "a.csv.gz"
    write_bomb(path, block)
    limit = 100 * path.stat().st_size + 2**26
    assert limit < BOMB
    with pytest.raises(InputError, match=rf"a\.csv\.gz has more than {limit:,} bytes, unpacked: expected at most that"):
        for _ in read_table(path, ("title",)):
            pass


def test_a_bomb_of_parquet_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    text, rows = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2**20, np.int32)), ["long " * 50]), 2**20
    table = pa.table({"title": text, "label": pa.nulls(rows, pa.string())})
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 2**16
    with pytest.raises(InputError, match=r"a\.parquet has more than 7\d,\d{3},\d{3} bytes, unpacked: expected at most"):
        for _ in read_table(path, ("title",)):
            pass


def test_a_table_that_repeats_itself_is_no_bomb(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", b"title,label\n" + b"Shares fall,Business\n" * 2**18)
    assert path.stat().st_size * 200 < 21 * 2**18
    assert sum(len(chunk) for chunk in read_table(path, ("title",))) == 2**18


@pytest.mark.parametrize("cut", [5, 40, 100])
def test_truncated_gzip(tmp_path: Path, cut: int) -> None:
    whole = write(tmp_path / "a.csv.gz", "title,label\n" + "".join(f"text {n},World\n" for n in range(5000)))
    whole.write_bytes(whole.read_bytes()[:-cut])
    with pytest.raises(InputError, match="is not a whole gzip file"):
        read(whole)


def test_no_gzip_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_text(TABLE)
    with pytest.raises(InputError, match="is not a whole gzip file"):
        read(path)


def test_other_columns_are_kept_for_bulk_prediction(tmp_path: Path) -> None:
    chunks = list(read_table(write(tmp_path / "a.csv", "id,title\n007,x\n"), ("title",)))
    assert chunks[0].to_dict("list") == {"id": ["007"], "title": ["x"]}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_that_nobody_asked_for_are_not_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        path.write_bytes(b"photo,title,label,photo\n\xff\xfe,One,x,\xff\n")
    else:
        photo = pa.array([b"\xff\xfe"])
        pq.write_table(pa.table([photo, ["One"], ["x"], photo], names=["photo", "title", "label", "photo"]), path)
    (chunk,) = read_table(path, ("title", "label", "title"), with_others=False)
    assert chunk.to_dict("list") == {"title": ["One"], "label": ["x"]}
    assert read(path) == [("One", "x", 1)]
    with pytest.raises(InputError):
        list(read_table(path, ("title",)))


def test_a_damaged_column_that_nobody_asked_for_is_not_even_looked_at(tmp_path: Path) -> None:
    path, rows, width = tmp_path / "a.parquet", 2000, 384
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(rows * width, dtype=np.float32)), width)
    pq.write_table(pa.table({"title": ["One"] * rows, "label": ["x"] * rows, "vector": vectors}), path)
    start = pq.read_metadata(path).row_group(0).column(2).data_page_offset
    content = path.read_bytes()
    path.write_bytes(content[:start] + bytes(1000) + content[start + 1000 :])
    assert len(read(path)) == rows
    with pytest.raises(InputError):
        list(read_table(path, ("title",)))


@pytest.mark.parametrize("type_", [pa.float16(), pa.float32(), pa.float64()])
def test_no_number_in_a_parquet_column_is_a_missing_cell(tmp_path: Path, type_: pa.DataType) -> None:
    label = pa.array(np.array([1, np.nan, 2.5], dtype=type_.to_pandas_dtype()), type_)
    pq.write_table(pa.table({"title": ["One", "Two", "Three"], "label": label}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("One", "1", 1), ("Two", "", 2), ("Three", "2.5", 3)]


@pytest.mark.parametrize(
    ("location", "suffix"),
    [
        ("a/b.csv", ".csv"),
        ("https://example.org/x.csv.gz?version=2#top", ".csv.gz"),
        ("file:///a%20b/c.TSV", ".tsv"),
        ("c.tar.parquet", ".parquet"),
    ],
)
def test_formats_are_told_by_the_ending(location: str, suffix: str) -> None:
    assert find_suffix(location) == suffix


def test_the_sample_is_the_one_table_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "sample"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match=r"data/sample/\*\.csv: found none: expected one file"):
        list_sources(make_params())
    write(folder / "texts.csv", "label,text\nWorld,A text\n")
    (sample,) = list_sources(make_params())
    assert (sample.part, sample.location, sample.file_name) == ("all", "data/sample/texts.csv", "all.csv")
    assert read(Path(sample.location), choose_layout(make_params())) == [("A text", "World", 1)]
    write(folder / "more.csv", "")
    with pytest.raises(InputError, match=r"found more\.csv, texts\.csv: expected one file"):
        list_sources(make_params())


def test_sources() -> None:
    train, test = list_sources(make_params(dataset="ag_news"))
    assert (train.part, test.part) == ("train", "test")
    assert train.checksum and test.checksum and train.location.startswith("https://")
    (own,) = list_sources(make_params(dataset="csv", file="in/a.tsv.gz"))
    assert (own.part, own.location, own.file_name) == ("all", "in/a.tsv.gz", "all.tsv.gz")
    (absolute,) = list_sources(make_params(dataset="ag_news", file="/else/train.csv"))
    assert (absolute.location, absolute.parameter) == ("/else/train.csv", "data.file")
    parts = list_sources(make_params(dataset="csv", file="a.csv", test_url="http://host/b.parquet"))
    assert [source.file_name for source in parts] == ["train.csv", "test.parquet"]
    assert [source.parameter for source in parts] == ["data.file", "data.test_url"]
    parts = list_sources(make_params(dataset="csv", url="https://host/a.csv", test_file="b.csv"))
    assert [source.parameter for source in parts] == ["data.url", "data.test_file"]


def test_sources_of_the_reviews() -> None:
    (official,) = list_sources(make_params(dataset="imdb"))
    assert official.location.startswith("https://") and official.file_name == "all.tar.gz"
    assert official.checksum == "md5:7c2ac02c03563afcf9b574c7e56c153a"
    (source,) = list_sources(make_params(dataset="imdb", file="in/a.tar.gz", sha256="0" * 64))
    assert (source.location, source.checksum) == ("in/a.tar.gz", "0" * 64)
    for dataset, file, expected in (("csv", "a.tar.gz", r"\.csv, "), ("imdb", "a.csv.gz", r"\.tar\.gz$")):
        (source,) = list_sources(make_params(dataset=dataset, file=file))
        with pytest.raises(InputError, match=f"{file}: the name's ending tells no known format: expected {expected}"):
            _ = source.file_name


def test_reviews_tell_their_part_and_tables_have_that_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "all.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("test/pos/1_10.txt", "train/neg/1_2.txt", "train/pos/2_7.txt"):
            member = tarfile.TarInfo(f"aclImdb/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    columns = ("text", "context", "label", "part", "row")
    assert read(path, choose_layout(make_params(dataset="imdb")), *columns) == [
        ("test/pos/1_10.txt", "", "positive", "test", 1),
        ("train/neg/1_2.txt", "", "negative", "train", 2),
        ("train/pos/2_7.txt", "", "positive", "train", 3),
    ]
    table = write(tmp_path / "test.csv", "title,label,part\nA,x,train\n")
    (chunk,) = read_rows(table, LAYOUT, "test")
    assert chunk["part"].tolist() == ["test"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("title", ("title",)), ("description", ("description",)), ("title+description", ("title", "description"))],
)
def test_text_of_ag_news(text: str, columns: tuple[str, ...]) -> None:
    assert choose_layout(make_params(dataset="ag_news", text=text)).text_columns == columns


def test_columns_keep_their_names_and_the_text_is_not_taken_from_one_of_two(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "title,id,id,\nOne,1,2,3\n")
    (chunk,) = read_table(path, ("title",))
    assert chunk.columns.tolist() == ["title", "id", "id", ""]
    assert chunk.to_numpy().tolist() == [["One", "1", "2", "3"]]
    with pytest.raises(InputError, match=r"a\.csv has 2 columns 'id': expected one"):
        list(read_table(path, ("id",)))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("content", ["x" * 10**6, '"' + "x\n" * 10**6, "\xff" * 10**6])
def test_rows_that_do_not_end_do_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.setattr(decoding, "LIMIT_BYTES_OF_A_ROW", 500_000)
    path = write(tmp_path / name, "title,label\n" + content)
    with pytest.raises(InputError, match="has a row of more than 500,000 bytes: is there a quotation mark"):
        read(path)
    rows = write(tmp_path / name, "title,label\n" + "x,y\n" * 300_000)  # which end, so that all of them may be read
    assert len(read(rows)) == 300_000


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_few_long_rows_are_in_memory_at_once(tmp_path: Path, suffix: str) -> None:
    path, rows, characters = tmp_path / f"a{suffix}", 80, 10**6
    text, before = "word " * (characters // 5), pa.total_allocated_bytes()
    table = pd.DataFrame({"title": [f"{row} {text}" for row in range(rows)], "label": "x"})
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, row_group_size=20)
    del table
    first, held = 0, []
    for chunk in read_table(path, ("title",)):
        held.append(pa.total_allocated_bytes() - before)
        assert chunk["title"].tolist() == [f"{row} {text}" for row in range(first, first + len(chunk))]
        first += len(chunk)
    assert first == rows and len(held) > 1
    assert max(held) < 120_000_000  # the chunk, and what it was read from


@many
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1), st.sampled_from([".csv", ".tsv"]), st.sampled_from("\n\r"))
def test_what_is_written_as_a_table_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], suffix: str, end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(
            file, quoting=csv.QUOTE_ALL, delimiter="\t" if suffix == ".tsv" else ",", lineterminator=end
        )
        writer.writerows([("title", "label", "é"), *rows])
    (chunk,) = read_table(path, ("title",))
    assert list(chunk.itertuples(index=False, name=None)) == rows


@many
@given(st.lists(st.lists(st.text(max_size=5), max_size=3)), st.integers(1, 5), st.integers(1, 20))
def test_rows_are_grouped_by_number_and_by_size(rows: list[list[str]], most_rows: int, most_characters: int) -> None:
    groups = list(group_rows(rows, most_rows, most_characters))
    assert [row for group in groups for row in group] == rows
    sizes = [[sum(map(len, row)) for row in group] for group in groups]
    assert all(len(group) <= most_rows and sum(group[:-1]) < most_characters for group in sizes)
    assert all(len(group) == most_rows or sum(group) >= most_characters for group in sizes[:-1])


def test_two_gzip_files_one_after_the_other_are_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"title,label\nA,x\n") + gzip.compress(b"B,y\n"))
    assert read(path) == [("A", "x", 1), ("B", "y", 2)]
