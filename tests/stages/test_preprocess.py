"""Which rows are kept, and the counts of those that are not."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.data.datasets import Layout, read_rows
from unroll.params.texts import read_text_params
from unroll.stages.preprocess import (
    DROP_REASONS,
    FATES,
    KEEP,
    check_summary,
    choose_cleaning,
    clean_rows,
    decide_fates,
    find_percentiles,
    index_rows,
    summarize,
)
from unroll.text.clean import Cleaning, clean_text
from workspaces import ROOT

PLAIN = Cleaning(
    html="decode",
    lowercase=True,
    brackets="keep",
    numbers="keep",
    punctuation="drop",
    stop_words=frozenset(),
    stemming="none",
)
SOURCES = [{"part": "all", "name": "all.csv", "sha256": "0" * 64, "bytes": 1}]


def judge(rows: list[tuple[str, str, str]], classes: dict[str, str] | None = None) -> tuple[pd.DataFrame, pd.Series]:
    """Clean (text, label, part) rows and decide their fates."""
    raw = pd.DataFrame(rows, columns=["text", "label", "part"], dtype=str)
    raw["row"] = range(1, len(raw) + 1)
    raw["context"] = "More of it."
    cleaned, fates = clean_rows(raw, classes, PLAIN)
    return cleaned, name_fates(decide_fates(index_rows(cleaned, fates)))


def name_fates(fates: np.ndarray) -> pd.Series:
    return pd.Series(FATES.categories[fates])


def sum_up(cleaned: pd.DataFrame, fates: pd.Series) -> dict[str, Any]:
    table = pa.Table.from_pandas(cleaned[["text", "label"]], preserve_index=False)
    return summarize(table.to_batches(), fates.astype(FATES).cat.codes.to_numpy(), SOURCES)


def test_each_reason() -> None:
    rows = [
        ("Shares fall", "3", "all"),
        ("SHARES  fall!", "3", "all"),  # the same after cleaning
        ("", "3", "all"),
        ("  ", "3", "all"),
        ("No label", "", "all"),
        ("???", "3", "all"),
        ("Strange label", "9", "all"),
        ("Both", "1", "all"),
        ("both", "3", "all"),
        ("Both.", "1", "all"),
    ]
    _, fates = judge(rows, {"1": "World", "3": "Business"})
    assert fates.tolist() == [
        "keep",
        "duplicate",
        "missing",
        "missing",
        "missing",
        "empty_after_cleaning",
        "unknown_class",
        "conflicting_label",
        "conflicting_label",
        "conflicting_label",
    ]


@pytest.mark.parametrize(
    ("chosen", "dataset", "html"),
    [
        ("auto", "ag_news", "feed"),
        *(("auto", dataset, "decode") for dataset in ("sample", "imdb", "csv")),
        ("keep", "ag_news", "keep"),
        ("feed", "csv", "feed"),
    ],
)
def test_the_rules_for_feeds_are_for_the_data_set_that_comes_from_feeds(chosen: str, dataset: str, html: str) -> None:
    params = read_text_params(ROOT / "params.yaml").preprocess
    assert params.html == "auto"
    assert choose_cleaning(params.model_copy(update={"html": chosen}), dataset).html == html


def test_an_official_test_row_goes_before_its_training_copy() -> None:
    rows = [("A match", "x", "train"), ("a match", "x", "test"), ("a MATCH", "x", "test"), ("a match!", "x", "train")]
    _, fates = judge(rows)
    assert fates.tolist() == ["in_test", "keep", "duplicate", "in_test"]
    _, fates = judge([*rows, ("A match", "y", "train")])  # nobody knows which label is right
    assert fates.tolist() == ["conflicting_label"] * 5


def test_hashes_that_differ_in_the_last_bit_are_of_different_texts() -> None:
    cleaned, fates = judge([("one", "a", "all"), ("two", "b", "all"), ("three", "a", "all")])
    index = index_rows(cleaned, fates.astype(FATES))
    index["key"] = [2**63, 2**63 + 1, 0]
    assert decide_fates(index).tolist() == [KEEP] * 3


TEXTS = st.sampled_from(["", "!", "one", "One", "two", "TWO!", "three four", "three, four", "five"])
TABLES = st.lists(
    st.tuples(TEXTS, st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["train", "test"])), min_size=1
)


@given(TABLES)
def test_whatever_the_table_every_text_is_kept_at_most_once_and_every_row_is_accounted_for(
    table: list[tuple[str, str, str]],
) -> None:
    cleaned, fates = judge(table)
    kept = cleaned[fates == "keep"]
    assert kept["text"].is_unique
    assert (kept["text"] != "").all() and (kept["label"] != "").all()
    labels_of = cleaned[(cleaned["text"] != "") & (cleaned["label"] != "")].groupby("text")["label"].nunique()
    assert set(kept["text"]) == set(labels_of[labels_of == 1].index)
    raw = pd.Series([text for text, _, _ in table])
    fates_of_missing = fates[(raw == "") | (cleaned["label"] == "")]
    assert set(fates_of_missing) <= {"missing"}
    summary = sum_up(cleaned, fates)
    assert summary["rows_in"] == len(table) == summary["rows_out"] + sum(summary["dropped"].values())
    assert sum(summary["classes"].values()) == summary["rows_out"]
    assert all(summary["classes"].values())


@given(TABLES)
def test_of_equal_texts_the_first_one_is_kept_of_the_test_split_where_it_stands_there(
    table: list[tuple[str, str, str]],
) -> None:
    cleaned, fates = judge(table)
    equal = defaultdict(list)
    for text, label, part, fate in zip(cleaned["text"], cleaned["label"], cleaned["part"], fates, strict=True):
        if text and label:
            equal[text].append((label, part, fate))
    for rows in equal.values():
        labels, parts, found = zip(*rows, strict=True)
        own = "test" if "test" in parts else "train"
        expected = ["duplicate" if part == own else "in_test" for part in parts]
        expected[parts.index(own)] = "keep"
        assert list(found) == (expected if len(set(labels)) == 1 else ["conflicting_label"] * len(rows))


def test_length_percentiles_count_words() -> None:
    cleaned, fates = judge([("one", "a", "all"), ("one two three", "b", "all")])
    lengths = sum_up(cleaned, fates)["words_per_text"]
    assert (lengths["p50"], lengths["max"]) == (2.0, 3)


@given(st.lists(st.integers(1, 40), min_size=1))
def test_percentiles_are_those_of_the_list_of_all_lengths(lengths: list[int]) -> None:
    found = find_percentiles(np.bincount(lengths))
    expected = {f"p{percent:02d}": np.percentile(lengths, percent) for percent in (5, 25, 50, 75, 95, 99)}
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("", "a", "all"), ("!", "a", "all")], r"all 2 rows were dropped \(1 missing, 1 empty after cleaning\)"),
        ([("x", "a", "all"), ("y", "a", "all")], "every row has the label 'a': expected two or more classes"),
        (
            [(f"x{n}", "a", "all") for n in range(5)] + [("y", "b", "all")],
            "class 'b' has 1 usable row, expected at least 3, one for each split: check data.label_column",
        ),
        (
            [(f"x{n}", str(n), "all") for n in range(5)],
            r"class '0' has 1 usable row, .* \(5 classes are that small\)",
        ),
    ],
)
def test_data_that_cannot_be_learned_from(rows: list[tuple[str, str, str]], message: str) -> None:
    cleaned, fates = judge(rows)
    with pytest.raises(InputError, match=message):
        check_summary(sum_up(cleaned, fates))


def test_real_reviews(imdb: Path) -> None:
    layout = Layout(None, ("text",), (), "label", None, is_archive=True)
    tables, indexes = [], []
    for raw in read_rows(imdb, layout):
        rows, fates = clean_rows(raw, None, PLAIN)
        # Line breaks leave no words; one review names a broadcaster.
        has_br = rows["text"].str.contains(r"\bbr\b")
        assert raw["text"][has_br].str.contains("DEFA and BR").all()
        assert rows["text"][::29].tolist() == [clean_text(text, PLAIN) for text in raw["text"][::29]]
        tables.append(rows)
        indexes.append(index_rows(rows, fates))
    rows = pd.concat(tables, ignore_index=True)
    assert rows.groupby(["part", "label"]).size().tolist() == [6_308, 6_192, 12_500, 12_500]
    assert rows["row"].tolist() == list(range(1, 37_501))
    fates = name_fates(decide_fates(np.concatenate(indexes)))
    assert rows["text"][fates == "keep"].is_unique
    assert set(rows["text"][fates == "in_test"]) <= set(rows["text"][(fates == "keep") & (rows["part"] == "test")])
    assert sum_up(rows, fates)["dropped"] == dict.fromkeys(DROP_REASONS, 0) | {
        "in_test": 60,
        "duplicate": 156,
    }
