"""What the page about the table says, computed from the rows of the splits."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from unroll.look.near import Sketch, find_near, sketch_texts
from unroll.look.texts import SEED, Rows, count_lengths, count_scripts, count_unknown
from unroll.params.common import SPLIT_NAMES

PERCENTILES = (5, 25, 50, 75, 95, 99, 100)
# Of test, what is like training rows flatters the scores; like validation rows, by which training is stopped, too.
COMPARED = (("val", "train"), ("test", "train"), ("test", "val"))


@dataclass(frozen=True)
class Unknown:
    """Words of a split that training never saw. words: how many it has in all; found: the unknown ones."""

    words: int
    found: Counter[str]

    @property
    def share(self) -> float:
        """Share of the words that are unknown."""
        return self.found.total() / max(self.words, 1)


@dataclass(frozen=True)
class Near:
    """Rows of a split that have a near-duplicate in another one, the nearest first.

    first, second: tables of rows, one pair in each place; similarity: [pairs] float64; rows: how many were looked at.
    """

    split: str
    other: str
    rows: int
    first: pd.DataFrame
    second: pd.DataFrame
    similarity: np.ndarray

    @property
    def pairs(self) -> list[tuple[Any, Any, float]]:
        """The pairs as rows and their similarity."""
        return list(zip(list_rows(self.first), list_rows(self.second), self.similarity.tolist(), strict=True))

    @property
    def disagreeing(self) -> int:
        """How many pairs have different labels."""
        return int((self.first["label"].to_numpy() != self.second["label"].to_numpy()).sum())


@dataclass(frozen=True)
class Summary:
    """What is in the splits. lengths: percentiles of words and of characters by split; scripts: letters by split."""

    rows: Rows
    lengths: dict[str, dict[str, list[int]]]
    histogram: list[tuple[int, int | None, int]]
    scripts: dict[str, dict[str, int]]
    unknown: dict[str, Unknown]
    near: list[Near]


def summarize(rows: Rows, known: set[str]) -> Summary:
    """Compute what is said about the splits; known: all words of the training texts."""
    tables = {name: rows.looked_at[rows.looked_at["split"] == name].reset_index(drop=True) for name in SPLIT_NAMES}
    lengths = {
        column: {name: compute_percentiles(table[column].to_numpy()) for name, table in tables.items() if len(table)}
        for column in ("words", "characters")
    }
    sketches = {name: sketch_texts(table["text"].tolist()) for name, table in tables.items()}
    return Summary(
        rows,
        lengths,
        count_lengths(rows.looked_at["words"].to_numpy()),
        {name: count_scripts(table["text"]) for name, table in tables.items()},
        {name: Unknown(*count_unknown(table["text"], known)) for name, table in tables.items()},
        [compare_splits(tables, sketches, split, other) for split, other in COMPARED],
    )


def compute_percentiles(lengths: np.ndarray) -> list[int]:
    """Return the `PERCENTILES` of lengths ([texts] int64), each the length of a text."""
    return np.percentile(lengths, PERCENTILES, method="higher").astype(int).tolist()


def compare_splits(tables: dict[str, pd.DataFrame], sketches: dict[str, Sketch], split: str, other: str) -> Near:
    """Find near-duplicates of a split's rows in another split; sketches: of the tables' texts."""
    own, others = tables[split], tables[other]
    pairs = find_near(sketches[split], sketches[other])
    order = np.argsort(-pairs.similarity, kind="stable")
    first, second = own.iloc[pairs.first[order]], others.iloc[pairs.second[order]]
    return Near(split, other, len(own), first, second, pairs.similarity[order])


def find_longest(rows: pd.DataFrame, most: int) -> list[Any]:
    """Return the rows with the most characters."""
    return list_rows(rows.iloc[np.argsort(-rows["characters"].to_numpy(), kind="stable")[:most]])


def choose_examples(rows: pd.DataFrame, label: str, most: int) -> list[Any]:
    """Return at most so many training rows of a class, chosen at random."""
    own = rows[(rows["split"] == "train") & (rows["label"] == label)]
    return list_rows(own.sample(min(most, len(own)), random_state=SEED))


def list_rows(rows: pd.DataFrame) -> list[Any]:
    """Return the rows of a table as objects with its columns."""
    return list(rows.itertuples(index=False, name="Row"))
