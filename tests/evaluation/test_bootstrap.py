"""The interval of a difference in macro-F1."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.evaluation.bootstrap import bootstrap_macro_f1
from unroll.evaluation.validation import compute_macro_f1


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=60))
def test_the_difference_is_that_of_the_two_macro_f1(rows: list[tuple[int, int, int]]) -> None:
    labels, first, second = np.array(rows).T
    found = bootstrap_macro_f1(labels, first, second, 4)
    expected = compute_macro_f1(labels, first, 4) - compute_macro_f1(labels, second, 4)
    assert found.difference == pytest.approx(expected)
    assert -1 <= found.low <= found.high <= 1


def test_the_interval_holds_zero_for_equal_models_and_not_for_unequal_ones() -> None:
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 4, 2000)
    better, worse = (np.where(generator.random(2000) < p, labels, (labels + 1) % 4) for p in (0.9, 0.8))
    assert bootstrap_macro_f1(labels, better, better, 4) == bootstrap_macro_f1(labels, worse, worse, 4)
    found = bootstrap_macro_f1(labels, better, worse, 4)
    assert 0 < found.low < found.difference < found.high
    # About ±1.96 standard errors: the models' mistakes are independent, with variances 0.09 and 0.16 for each row.
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * (0.25 / 2000) ** 0.5, rel=0.15)


def make_predictions(classes: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, classes, rows)
    found = (np.where(generator.random(rows) < p, labels, generator.integers(0, classes, rows)) for p in (0.8, 0.7))
    return labels, *found, classes


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(2, (0.056683, 0.020182, 0.092341)), (4, (0.100198, 0.056456, 0.145632)), (30, (0.131210, 0.082750, 0.182286))],
)
def test_the_draws_are_the_same_whatever_computes_with_them(classes: int, expected: tuple[float, float, float]) -> None:
    found = bootstrap_macro_f1(*make_predictions(classes, 600))
    assert (found.difference, found.low, found.high) == pytest.approx(expected, abs=5e-7)


def test_an_interval_of_many_classes_takes_seconds() -> None:
    predictions = make_predictions(500, 3000)
    started = time.process_time()
    bootstrap_macro_f1(*predictions)
    assert time.process_time() - started < 20  # it takes 2; dense products of whole numbers took minutes


def test_the_interval_holds_the_difference_also_where_each_class_has_few_rows() -> None:
    labels = np.arange(18)
    found = bootstrap_macro_f1(labels, np.roll(labels, 1), labels, 18)
    assert (found.difference, found.low, found.high) == (-1, -1, -1)
