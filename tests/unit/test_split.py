"""Splits: stratified, seeded, and whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.errors import InputError
from unroll.stages.split import NAMES, assign_splits, withhold_contexts
from unroll.text_params import SplitParams

SHARES = SplitParams(train=0.7, val=0.15, test=0.15, seed=1)
LABELS = st.lists(st.integers(3, 60), min_size=1, max_size=6).flatmap(
    lambda sizes: st.permutations([label for label, size in enumerate(sizes) for _ in range(size)])
)


def assign(labels: list, is_test: list[bool] | None = None, **changes: object) -> np.ndarray:
    is_test = [False] * len(labels) if is_test is None else is_test
    class_names, numbers = np.unique(labels, return_inverse=True)
    return assign_splits(numbers, class_names.tolist(), np.array(is_test), SHARES.model_copy(update=changes))


@given(LABELS, st.integers(0, 9))
def test_every_class_has_its_share_of_every_split(labels: list[int], seed: int) -> None:
    splits = assign(labels, seed=seed)
    for label in set(labels):
        own = splits[np.array(labels) == label]
        for split, share in enumerate((0.7, 0.15, 0.15)):
            count = (own == split).sum()
            assert count >= 1
            assert abs(count - share * len(own)) < 1 or len(own) < 14  # small classes: at least one in each


def test_the_seed_decides() -> None:
    labels = ["a", "b"] * 100
    assert (assign(labels) == assign(labels)).all()
    assert (assign(labels) != assign(labels, seed=2)).any()


def test_rows_are_shuffled() -> None:
    splits = assign(["a"] * 50 + ["b"] * 50)
    test_rows = np.flatnonzero(splits == NAMES.index("test"))
    assert np.ptp(test_rows[test_rows < 50]) > 20


def test_an_official_test_split_is_kept() -> None:
    is_test = [False, True] * 50
    splits = assign(["a", "a", "b", "b"] * 25, is_test)
    assert ((splits == NAMES.index("test")) == np.array(is_test)).all()
    assert (splits == NAMES.index("train")).sum() == 42  # two classes of 25, each 25 × 0.7 / 0.85 = 20.6
    assert (splits == NAMES.index("val")).sum() == 8


@pytest.mark.parametrize(
    ("labels", "is_test", "message"),
    [
        (["a"] * 9 + ["b"] * 2, None, "class 'b' has 2 rows to split 3 ways, expected at least 3"),
        (["a", "a", "a", "b"], [False, False, True, True], "class 'b' has 0 rows to split 2 ways, expected at least 2"),
    ],
)
def test_classes_that_are_too_small(labels: list[str], is_test: list[bool] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        assign(labels, is_test)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2)), min_size=1))
def test_contexts_that_validation_or_test_hold_are_withheld_from_training(rows: list[tuple[int, int, int]]) -> None:
    contexts, texts, splits = np.array(rows, dtype=np.uint64).T
    withheld = withhold_contexts(contexts, texts, splits)
    held_out = {number for context, text, split in rows if NAMES[split] != "train" for number in (context, text)}
    for (context, _, split), is_withheld in zip(rows, withheld, strict=True):
        assert is_withheld == (NAMES[split] != "train" or context in held_out)
