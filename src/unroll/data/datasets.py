"""Where each data set comes from, and how its rows become texts and labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from unroll.base.errors import InputError
from unroll.data.imdb import read_reviews
from unroll.data.tables import SUFFIXES, find_suffix, read_table
from unroll.params.texts import SAMPLE, DataParams

AG_NEWS = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/555590db4219b1243abb1918effd6a7425a2d75f/data/ag_news_csv"
IMDB = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
IMDB_SUFFIXES = (".tar.gz",)


@dataclass(frozen=True)
class Source:
    """One file of a data set. `part` is "all", or "train" and "test" if the test rows have their own file."""

    part: str
    location: str
    checksum: str | None  # SHA-256, or another with its name before it: "md5:7c2a…"
    suffixes: tuple[str, ...] = SUFFIXES  # the formats that the file may have

    @property
    def file_name(self) -> str:
        """Name under data/raw/, such as `train.csv.gz`."""
        return self.part + find_suffix(self.location, self.suffixes)

    @property
    def parameter(self) -> str:
        """The parameter that sets the location."""
        return f"data.{'test_' * (self.part == 'test')}{'url' if '://' in self.location else 'file'}"


@dataclass(frozen=True)
class Layout:
    """How the rows of a data set's files are to be read."""

    header: tuple[str, ...] | None  # column names of files that have no header row
    text_columns: tuple[str, ...]  # joined by a space
    context_columns: tuple[str, ...]  # more text of the row, never classified; also joined
    label_column: str
    class_names: dict[str, str] | None  # label in the file → name; None: the file's labels are the names
    is_archive: bool = False  # an archive of reviews, which names each row's part; all others are tables


def list_sources(data: DataParams) -> list[Source]:
    """Return the files of the chosen data set; paths start at the pipeline's folder."""
    if data.location:
        suffixes = IMDB_SUFFIXES if data.dataset == "imdb" else SUFFIXES
        first = Source("train" if data.test_location else "all", data.location, data.sha256, suffixes)
        return [first, Source("test", data.test_location, data.test_sha256)] if data.test_location else [first]
    if data.dataset == "ag_news":
        return [
            Source("train", f"{AG_NEWS}/train.csv", "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e"),
            Source("test", f"{AG_NEWS}/test.csv", "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699"),
        ]
    if data.dataset == "imdb":
        return [Source("all", IMDB, "md5:7c2ac02c03563afcf9b574c7e56c153a", IMDB_SUFFIXES)]
    return [Source("all", str(find_sample()), None)]


def find_sample(folder: Path = Path(SAMPLE)) -> Path:
    """Return the one table in the sample's folder. Git tracks it, so the working directory's copy is read.

    Raises:
        InputError: there is no table, or more than one.
    """
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables) or "none"
        raise InputError(f"{folder}/*.csv: found {found}: expected one file, with the columns text and label")
    return tables[0]


def choose_layout(data: DataParams) -> Layout:
    """Return how the files of the chosen data set are read."""
    if data.dataset == "ag_news":
        text_columns = tuple(data.text.split("+"))
        return Layout(
            header=("class", "title", "description"),
            text_columns=text_columns,
            context_columns=tuple(name for name in ("title", "description") if name not in text_columns),
            label_column="class",
            class_names={"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"},
        )
    if data.dataset == "csv":
        context_columns = (data.context_column,) if data.context_column else ()
        return Layout(None, (data.text_column,), context_columns, data.label_column, None)
    return Layout(None, ("text",), (), "label", None, is_archive=data.dataset == "imdb")


def read_rows(path: Path, layout: Layout, part: str = "all") -> Iterator[pd.DataFrame]:
    """Yield chunks of the file with the string columns `text`, `context`, `label`, `part` and the number `row`, from 1.

    Missing cells are empty strings, and so is the context of a data set without one. `part` is that of the file; an
    archive names it for each row.

    Raises:
        InputError: see `read_table` and `read_reviews`.
    """
    first = 1
    columns = (*layout.text_columns, *layout.context_columns, layout.label_column)
    chunks = read_reviews(path) if layout.is_archive else read_table(path, columns, layout.header, with_others=False)
    for chunk in chunks:
        yield pd.DataFrame(
            {
                "text": _join_columns(chunk, layout.text_columns),
                "context": _join_columns(chunk, layout.context_columns),
                "label": chunk[layout.label_column].str.strip(),
                "part": chunk["part"] if layout.is_archive else part,
                "row": range(first, first + len(chunk)),
            }
        )
        first += len(chunk)


def _join_columns(chunk: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    if not columns:
        return pd.Series("", index=chunk.index, dtype=str)
    joined = chunk[columns[0]]
    for column in columns[1:]:
        joined = joined + " " + chunk[column]
    return joined
