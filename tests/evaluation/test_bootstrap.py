"""The intervals of F1, and of a difference in macro-F1."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from unroll.evaluation.bootstrap import bootstrap_f1, bootstrap_macro_f1
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


def test_the_intervals_of_f1_are_those_of_rows_that_are_drawn_one_by_one() -> None:
    """Against scikit-learn's F1 on resampled rows, within what 1,000 resamples tell."""
    labels, predicted, _, classes = make_predictions(3, 300)
    of_classes, of_macro = bootstrap_f1(labels, predicted, classes)
    draws = np.random.default_rng(5).integers(0, 300, (1000, 300))
    drawn = np.array([f1_score(labels[rows], predicted[rows], average=None) for rows in draws])
    assert of_classes == pytest.approx(np.quantile(drawn, (0.025, 0.975), axis=0), abs=0.015)
    assert of_macro == pytest.approx(np.quantile(drawn.mean(axis=1), (0.025, 0.975)), abs=0.01)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=1, max_size=60))
@settings(max_examples=30)
def test_intervals_of_f1_are_within_0_and_1_whatever_the_rows(rows: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(rows).T
    of_classes, of_macro = bootstrap_f1(labels, predicted, 5)
    assert of_classes.shape == (2, 5) and of_macro.shape == (2,)
    for low, high in (*of_classes.T, of_macro):
        assert 0 <= low <= high <= 1
    assert of_classes[:, 4].tolist() == [0, 0]  # a class that is not there


def test_the_interval_of_a_class_leaves_out_resamples_without_a_row_of_it() -> None:
    labels = np.array([0] * 20 + [1])
    of_classes, _ = bootstrap_f1(labels, labels, 2)
    assert of_classes.tolist() == [[1, 1], [1, 1]]


def test_the_intervals_of_f1_are_the_same_whatever_computes_them() -> None:
    labels, predicted, _, classes = make_predictions(4, 600)
    of_classes, of_macro = bootstrap_f1(labels, predicted, classes)
    assert (*of_classes[:, 0], *of_macro) == pytest.approx((0.832674, 0.913495, 0.836076, 0.891199), abs=5e-7)


def test_intervals_of_many_classes_take_seconds() -> None:
    labels, predicted, _, classes = make_predictions(500, 3000)
    started = time.process_time()
    bootstrap_f1(labels, predicted, classes)
    assert time.process_time() - started < 20  # it takes 1
