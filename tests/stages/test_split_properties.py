"""Whatever the table: what preprocess and split make of it together."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import assume, given
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.params.texts import SplitParams
from unroll.stages.preprocess import KEEP, clean_rows, decide_fates, index_rows
from unroll.stages.split import assign_splits, check_classes, choose_shares, place_part, place_texts
from unroll.text.clean import Cleaning

PLAIN = Cleaning(
    html="decode",
    lowercase=True,
    brackets="keep",
    numbers="keep",
    punctuation="drop",
    stop_words=frozenset(),
    stemming="none",
)
Row = tuple[str, str, str]  # text, label, part
# So many that a class has a row in every split, as a rule also when it is hashed.
FLOOR = [(f"{label} has {number} rows", label, "train") for label in "ab" for number in range(40)]
WRITTEN = st.sampled_from(["fall {}", "FALL  {}!", "<b>Fall</b> {}", "Fall &quot;{}&quot;", "fäll {}"])
TEXTS = st.builds(str.format, WRITTEN, st.integers(0, 9)) | st.text(max_size=9)
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from(["a", "b", ""]), st.sampled_from(["train", "test"])), max_size=30)
TABLES = ROWS.map(lambda rows: FLOOR + rows).flatmap(st.permutations)
SHARES = st.tuples(*[st.integers(1, 20)] * 3).map(lambda parts: [part / sum(parts) for part in parts])
METHODS = st.sampled_from(["random", "hash"])


def make_params(method: str = "hash", shares: list[float] | None = None, seed: int = 1) -> SplitParams:
    train, val, test = shares or [0.7, 0.15, 0.15]
    return SplitParams(method=method, train=train, val=val, test=test, seed=seed, context_words=0)


def clean(table: list[Row]) -> pd.DataFrame:
    """Return what preprocess keeps of a table."""
    raw = pd.DataFrame(table, columns=["text", "label", "part"], dtype=str)
    cleaned, fates = clean_rows(raw.assign(context="", row=range(1, len(raw) + 1)), None, PLAIN)
    fates = decide_fates(index_rows(cleaned, fates))
    return cleaned[fates == KEEP].reset_index(drop=True)


def split(rows: pd.DataFrame, params: SplitParams) -> np.ndarray:
    """Return the number of each row's split, as the stage computes it."""
    class_names, labels = np.unique(rows["label"].to_numpy(dtype=object), return_inverse=True)
    is_test = (rows["part"] == "test").to_numpy()
    shares = choose_shares(is_test.any(), params)
    if params.method == "hash":
        batch = pa.RecordBatch.from_pandas(rows[["text", "label", "part"]], preserve_index=False)
        splits, counts = place_part(batch, shares, params.seed)
        check_classes(counts, len(shares))
        return splits
    return assign_splits(labels, class_names.tolist(), is_test, shares, params.seed)


def split_texts(table: list[Row], params: SplitParams) -> dict[str, int]:
    """Return the split of each cleaned text, which is in one alone."""
    rows = clean(table)
    try:
        splits = split(rows, params)
    except InputError:
        assume(False)
    return dict(zip(rows["text"], splits.tolist(), strict=True))


@given(TABLES, METHODS, st.integers(0, 3))
def test_no_cleaned_text_stands_in_two_splits(table: list[Row], method: str, seed: int) -> None:
    rows = clean(table)
    params = make_params(method, seed=seed)
    try:
        splits = split(rows, params)
    except InputError:
        assume(False)
    places = defaultdict(set)
    for text, number in zip(rows["text"], splits.tolist(), strict=True):
        places[text].add(number)
    assert len(places) == len(rows) >= len(FLOOR) * 0.9
    assert all(len(numbers) == 1 for numbers in places.values())


@given(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1), st.integers(0, 3))
def test_equal_texts_are_hashed_into_one_split_even_if_they_were_not_dropped(texts: list[str], seed: int) -> None:
    places = place_texts(texts, seed)
    assert all(len(set(places[np.array(texts) == text])) == 1 for text in texts)


@given(TABLES, SHARES, st.integers(0, 3))
def test_class_proportions_hold_within_one_row(table: list[Row], shares: list[float], seed: int) -> None:
    rows = clean(table)
    splits = split(rows, make_params("random", shares, seed))
    is_test = (rows["part"] == "test").to_numpy()
    wanted = np.array(shares[:2] if is_test.any() else shares) / sum(shares[:2] if is_test.any() else shares)
    for label in "ab":
        own = splits[~is_test & (rows["label"] == label).to_numpy()]
        counts, exact = np.bincount(own, minlength=len(wanted)), wanted * len(own)
        assert counts.min() >= 1
        if exact.min() >= 1:  # otherwise a split that would have none gets one of another's
            assert np.abs(counts - exact).max() < 1


@given(TABLES, st.randoms(use_true_random=False), SHARES, st.integers(0, 3))
def test_hashed_splits_do_not_depend_on_the_order_of_rows(
    table: list[Row], random, shares: list[float], seed: int
) -> None:
    params = make_params("hash", shares, seed)
    shuffled = random.sample(table, len(table))
    assert split_texts(table, params) == split_texts(shuffled, params)


@given(TABLES, ROWS, SHARES, st.integers(0, 3))
def test_new_rows_never_move_old_texts_between_hashed_splits(
    table: list[Row], more: list[Row], shares: list[float], seed: int
) -> None:
    params = make_params("hash", shares, seed)
    table, more = ([(text, label, "all") for text, label, _ in rows] for rows in (table, more))
    before, after = split_texts(table, params), split_texts(table + more, params)
    kept = before.keys() & after.keys()  # a text that comes again with another label is dropped
    assert len(kept) >= len(before) - len(more)
    assert {text: before[text] for text in kept} == {text: after[text] for text in kept}


def test_random_splits_do_move() -> None:
    """Which is why there is a choice."""
    table = [(text, label, "all") for text, label, _ in FLOOR]
    params = make_params("random")
    before = split_texts(table, params)
    after = split_texts([*table, ("one more", "a", "all")], params)
    assert any(before[text] != after[text] for text in before)
    assert before != split_texts(table[::-1], params)
