"""The linear baseline, its temperature, and the interval of a difference to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.baseline import fit_baseline, make_features
from unroll.bootstrap import bootstrap_macro_f1
from unroll.calibration import fit_temperature
from unroll.macro_f1 import compute_macro_f1

TEXTS = ["shares fall", "profit falls", "bank profit", "cup final", "the cup match", "match final"]
LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_it_learns_words_and_parts_of_words() -> None:
    baseline = fit_baseline(TEXTS, LABELS, ["shares", "cup"], np.array([0, 1]))
    probabilities = baseline.predict(["profits fall", "cupfinal"])  # neither word was there
    assert probabilities.argmax(axis=1).tolist() == [0, 1]
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])
    assert baseline.val_macro_f1 == 1


def test_it_learns_nothing_from_validation_texts() -> None:
    baseline = fit_baseline(TEXTS, LABELS, ["unheard", "cup"], np.array([0, 1]))
    assert not any("unheard" in name for name in baseline.features.get_feature_names_out())


def test_a_word_said_often_counts_less_than_so_many_and_case_is_kept() -> None:
    features = make_features()
    (row,) = features.fit_transform(["b B b b b a"]).toarray()
    weights = dict(zip(features.get_feature_names_out(), row, strict=True))
    for part, word in (("words", "{}"), ("characters", " {} ")):
        often, once, other = (weights[f"{part}__{word.format(letter)}"] for letter in "baB")
        assert often / once == pytest.approx(1 + np.log(4), rel=1e-5) and once == other
    assert row.dtype == np.float32


def test_fitting_again_gives_the_same_probabilities() -> None:
    first, second = (fit_baseline(TEXTS, LABELS, TEXTS, LABELS).predict(TEXTS) for _ in range(2))
    assert (first == second).all()


def test_the_temperature_undoes_a_scale() -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(3, p=row) for row in shares])
    assert fit_temperature(logits * 5, labels) == pytest.approx(5 * fit_temperature(logits, labels), rel=1e-3)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.1)


def test_nothing_is_sharpened_where_all_rows_are_right() -> None:
    """Any sharper probabilities would have a lower loss."""
    logits = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(1, abs=1e-3)
    assert fit_temperature(logits / 100, np.array([0, 1])) == pytest.approx(1, abs=1e-3)
    # One row of many is wrong: then there is a best, which may be sharper.
    logits = np.repeat([[0.1, 0.0]], 1000, axis=0)
    assert fit_temperature(logits, np.array([1] + [0] * 999)) == pytest.approx(0.1 / np.log(999), rel=1e-3)


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


def test_the_interval_holds_the_difference_also_where_each_class_has_few_rows() -> None:
    labels = np.arange(18)
    found = bootstrap_macro_f1(labels, np.roll(labels, 1), labels, 18)
    assert (found.difference, found.low, found.high) == (-1, -1, -1)
