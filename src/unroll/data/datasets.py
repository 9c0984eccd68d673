"""Where each data set comes from, and how its rows become texts and labels."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from unroll.base.errors import InputError
from unroll.data.folders import is_folder, list_files
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
    of_folder: bool = False  # one of several files

    @property
    def file_name(self) -> str:
        """Name under data/raw/, such as `train.csv.gz`; of a file of a folder, `train/part-1.csv.gz`."""
        suffix = find_suffix(self.location, self.suffixes)
        return f"{self.part}/{Path(self.location).name}" if self.of_folder else self.part + suffix

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
    encoding: str = "utf-8"


def list_sources(data: DataParams) -> list[Source]:
    """Return the files of the chosen data set; paths start at the pipeline's folder.

    Raises:
        InputError: there is no sample, or a folder cannot be taken (`list_files`), has a checksum or has no pattern
            to be chosen by.
    """
    if data.location:
        suffixes = IMDB_SUFFIXES if data.dataset == "imdb" else SUFFIXES
        sources = [Source("train" if data.test_location else "all", data.location, data.sha256, suffixes)]
        if data.test_location:
            sources.append(Source("test", data.test_location, data.test_sha256))
        if data.pattern and not any(is_folder(source.location) for source in sources):
            found = " and ".join(source.location for source in sources)
            raise InputError(f"data.pattern = {data.pattern!r} while there is no folder, but {found}: expected one")
        return [file for source in sources for file in _list_sources(source, data.pattern)]
    if data.dataset == "ag_news":
        return [
            Source("train", f"{AG_NEWS}/train.csv", "76a0a2d2f92b286371fe4d4044640910a04a803fdd2538e0f3f29a5c6f6b672e"),
            Source("test", f"{AG_NEWS}/test.csv", "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699"),
        ]
    if data.dataset == "imdb":
        return [Source("all", IMDB, "md5:7c2ac02c03563afcf9b574c7e56c153a", IMDB_SUFFIXES)]
    return [Source("all", str(find_sample()), None)]


def _list_sources(source: Source, pattern: str | None) -> list[Source]:
    """Return the files of a folder, or the file itself."""
    if not is_folder(source.location):
        return [source]
    if source.checksum:
        raise InputError(f"{source.parameter}: {source.location} is a folder: expected no sha256, which a file has")
    locations = list_files(source.location, pattern, source.suffixes, source.parameter)
    return [replace(source, location=location, of_folder=True) for location in locations]


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
            encoding=data.encoding,
        )
    if data.dataset == "csv":
        context_columns = (data.context_column,) if data.context_column else ()
        return Layout(None, (data.text_column,), context_columns, data.label_column, None, encoding=data.encoding)
    return Layout(None, ("text",), (), "label", None, is_archive=data.dataset == "imdb")


def read_rows(path: Path, layout: Layout, part: str = "all", first: int = 1) -> Iterator[pd.DataFrame]:
    """Yield chunks of the file with the string columns `text`, `context`, `label`, `part` and the number `row`.

    Missing cells are empty strings, and so is the context of a data set without one. `part` is that of the file; an
    archive names it for each row. first: the number of the first row.

    Raises:
        InputError: see `read_table` and `read_reviews`.
    """
    columns = (*layout.text_columns, *layout.context_columns, layout.label_column)
    if layout.is_archive:
        chunks = read_reviews(path)
    else:
        chunks = read_table(path, columns, layout.header, with_others=False, encoding=layout.encoding)
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


def read_sources(folder: Path, sources: list[dict[str, Any]], layout: Layout) -> Iterator[pd.DataFrame]:
    """Yield what `read_rows` does for each file; rows are counted on through all files of a part.

    folder, sources: data/raw/ and its sources.json.
    """
    read: Counter[str] = Counter()
    for source in sources:
        part = source["part"]
        for chunk in read_rows(folder / source["name"], layout, part, read[part] + 1):
            read[part] += len(chunk)
            yield chunk


def _join_columns(chunk: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    if not columns:
        return pd.Series("", index=chunk.index, dtype=str)
    joined = chunk[columns[0]]
    for column in columns[1:]:
        joined = joined + " " + chunk[column]
    return joined
