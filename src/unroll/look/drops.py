"""Which rows of the raw files were dropped, with examples: decided again, by the functions of the stage preprocess."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from unroll.base.errors import InputError
from unroll.base.files import read_json
from unroll.data.datasets import choose_layout, read_sources
from unroll.params.texts import TextParams
from unroll.stages.preprocess import DROP_REASONS, FATES, KEEP, choose_cleaning, clean_rows, decide_fates, index_rows

RAW, METRICS = Path("data/raw"), Path("metrics/data.json")
TWINS = 3  # of a dropped row, at most, that are named
SEED = 1


@dataclass(frozen=True)
class RawRow:
    """A row as its file has it. twins: other rows with the same text after cleaning, a few of them."""

    part: str
    row: int
    label: str
    text: str
    twins: tuple["RawRow", ...] = ()


def find_examples(params: TextParams, most: int) -> dict[str, list[RawRow]]:
    """Return for each reason at most so many of the rows that were dropped for it, chosen at random.

    Raises:
        InputError: preprocess has not run, or with other data or parameters.
    """
    counted = read_json(METRICS)
    if not any(counted["dropped"].values()):
        return {}
    layout = choose_layout(params.data)
    cleaning = choose_cleaning(params.preprocess, params.data.dataset)
    index = np.concatenate([index_rows(*clean_rows(raw, layout.class_names, cleaning)) for raw in _read_raw(params)])
    fates = FATES.categories[decide_fates(index)]
    dropped = {reason: int((fates == reason).sum()) for reason in DROP_REASONS}
    if (len(index), dropped) != (counted["rows_in"], counted["dropped"]):
        raise InputError(f"{RAW} and the parameters are not those that {METRICS} counts: `dvc repro split` mends that")
    chosen = {reason: choose_rows(np.flatnonzero(fates == reason), most) for reason in DROP_REASONS if dropped[reason]}
    twins = {place: find_twins(index, place) for reason in chosen for place in chosen[reason]}
    rows = _fetch_rows(params, {*twins, *chain.from_iterable(twins.values())})
    return {
        reason: [RawRow(*rows[place], tuple(RawRow(*rows[twin]) for twin in twins[place])) for place in places]
        for reason, places in chosen.items()
    }


def choose_rows(places: np.ndarray, most: int) -> list[int]:
    """Return at most so many of these numbers of rows, [rows] int64, at random, in their order."""
    if len(places) > most:
        places = np.sort(np.random.default_rng(SEED).choice(places, most, replace=False))
    return places.tolist()


def find_twins(index: np.ndarray, place: int) -> list[int]:
    """Return the first other rows with the same cleaned text, if that decided the row's fate; index: `index_rows`."""
    if index["fate"][place] != KEEP:  # decided before texts were compared
        return []
    same = (index["key"] == index["key"][place]) & (index["fate"] == KEEP)
    return [twin for twin in np.flatnonzero(same).tolist() if twin != place][:TWINS]


def _read_raw(params: TextParams) -> Iterator[pd.DataFrame]:
    with tqdm(unit=" rows", desc="data", disable=None) as progress:
        for raw in read_sources(RAW, read_json(RAW / "sources.json"), choose_layout(params.data)):
            yield raw
            progress.update(len(raw))


def _fetch_rows(params: TextParams, places: set[int]) -> dict[int, tuple[str, int, str, str]]:
    """Return part, number, label and text of the rows with these numbers, which count all files' rows from 0."""
    wanted, first = np.array(sorted(places)), 0
    found: dict[int, tuple[str, int, str, str]] = {}
    for raw in _read_raw(params):
        own = wanted[(wanted >= first) & (wanted < first + len(raw))]
        rows = raw.iloc[own - first][["part", "row", "label", "text"]].itertuples(index=False, name=None)
        found |= dict(zip(own.tolist(), rows, strict=True))
        first += len(raw)
    return found
