"""What texts are like: counts that can be checked by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unroll.base.errors import InputError
from unroll.look.texts import (
    CHARACTERS,
    OTHER,
    SCRIPTS,
    collect_words,
    count_lengths,
    count_scripts,
    count_unknown,
    cut_words,
    read_splits,
)
from unroll.stages.preprocess import SCHEMA

SPLITS = {
    "train": [("shares fall", "a", 1), ("cup final", "b", 2), ("word " * 1000 + "end", "a", 3)],
    "val": [("storm", "c", 4)],
    "test": [("fall", "b", 5), ("cup", "b", 6)],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in SPLITS.items():
        texts, labels, numbers = zip(*rows, strict=True)
        columns = [texts, ["in context"] * len(rows), labels, ["all"] * len(rows), numbers]
        pq.write_table(pa.table(columns, SCHEMA), tmp_path / f"{name}.parquet")
    return tmp_path


def test_rows_are_counted_by_class_and_split(folder: Path) -> None:
    rows = read_splits(folder)
    assert rows.counts.to_dict("index") == {
        "b": {"train": 1, "val": 0, "test": 2},  # the largest first; of equal ones, by name
        "a": {"train": 2, "val": 0, "test": 0},
        "c": {"train": 0, "val": 1, "test": 0},
    }
    assert rows.total == len(rows.looked_at) == 6
    assert rows.looked_at["split"].tolist() == ["train"] * 3 + ["val"] + ["test"] * 2
    assert rows.looked_at["row"].tolist() == [1, 2, 3, 4, 5, 6]


def test_long_texts_are_cut_but_measured_whole(folder: Path) -> None:
    long = read_splits(folder).looked_at.iloc[2]
    assert (long["text"], long["words"], long["characters"]) == ("word " * 399 + "word", 1001, 5003)
    assert cut_words("a" * 3000) == "a" * CHARACTERS and cut_words("a " * 1000) == "a " * 1000


def test_of_many_rows_some_are_looked_at_and_all_are_counted(folder: Path) -> None:
    rows = read_splits(folder, most=4)
    assert (rows.total, len(rows.looked_at)) == (6, 4)
    assert rows.looked_at["row"].tolist() == read_splits(folder, most=4).looked_at["row"].tolist()
    assert rows.looked_at["row"].is_monotonic_increasing


def test_a_missing_split_is_named(folder: Path) -> None:
    (folder / "val.parquet").unlink()
    with pytest.raises(InputError, match=r"val\.parquet is missing: `dvc repro` makes it"):
        read_splits(folder)


def test_letters_are_counted_by_script() -> None:
    texts = ["Abc 123 ähm", "ελλ", "日本 ひ カ", "ᚠᚢ 🙂 !"] * 2000
    assert count_scripts(texts) == {
        **{"Latin": 12000, "Greek": 6000, "Han": 4000, "Hiragana": 2000, "Katakana": 2000},
        OTHER: 4000,  # runes
    }
    assert list(count_scripts(texts)) == [name for name in (*SCRIPTS, OTHER) if name in count_scripts(texts)]
    assert count_scripts(["123"]) == {}


def test_words_that_training_never_saw_are_counted(folder: Path) -> None:
    known = collect_words(folder)
    assert known == {"shares", "fall", "cup", "final", "word", "end", "in", "context"}
    assert count_unknown(["cup storm", "storm in teacup"], known) == (5, {"storm": 2, "teacup": 1})


def test_the_histogram_has_every_text_once() -> None:
    assert count_lengths(np.array([1, 2, 2, 3])) == [(1, 1, 1), (2, 2, 2), (3, 3, 1)]
    lengths = np.array([*range(1, 101)] * 10 + [5000])
    bins = count_lengths(lengths)
    assert len(bins) <= 25 and sum(count for _, _, count in bins) == len(lengths)
    assert bins[0] == (1, 5, 50) and bins[-1] == (101, None, 1)
    for first, last, count in bins[:-1]:
        assert count == ((lengths >= first) & (lengths <= last)).sum()
