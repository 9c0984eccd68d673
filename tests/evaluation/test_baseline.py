"""The linear baseline, its temperature, and the interval of a difference to it."""

import time
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from unroll.evaluation import baseline as module
from unroll.evaluation.baseline import CANDIDATES, choose_longest, fit_baseline, make_features
from unroll.evaluation.bootstrap import bootstrap_macro_f1
from unroll.evaluation.validation import compute_macro_f1, fit_temperature
from unroll.stages.baseline import measure_texts, read_rows

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


def test_of_many_readings_words_alone_and_fewer_candidates_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READINGS", len(TEXTS) * 2)
    small = fit_baseline(TEXTS, LABELS, TEXTS, LABELS)
    monkeypatch.setattr(module, "READINGS", len(TEXTS) * 2 - 1)
    large = fit_baseline(TEXTS, LABELS, TEXTS, LABELS)
    assert {name.split("__")[0] for name in small.features.get_feature_names_out()} == {"words", "characters"}
    cut = fit_baseline(TEXTS[:4], LABELS[:4], TEXTS, LABELS, are_cut=True)
    for baseline in (large, cut):
        assert {name.split("__")[0] for name in baseline.features.get_feature_names_out()} == {"words"}
    assert (small.c, large.c) == (CANDIDATES[0], CANDIDATES[1])  # all are right: the first that is tried


def test_of_long_texts_the_beginnings_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"text": ["aé cd", "ab"], "label": ["x", "y"]}), path)
    lengths = measure_texts(path)
    assert lengths.tolist() == [5, 2]
    monkeypatch.setattr(module, "CHARACTERS", 7)
    assert choose_longest(lengths) is None and read_rows(path, None) == (["aé cd", "ab"], ["x", "y"])
    monkeypatch.setattr(module, "CHARACTERS", 5)
    assert choose_longest(lengths) == 3 and read_rows(path, 3) == (["aé ", "ab"], ["x", "y"])


@given(st.lists(st.integers(0, 50), min_size=1).map(np.array), st.integers(0, 200))
def test_as_much_is_read_as_the_bound_allows(lengths: np.ndarray, bound: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHARACTERS", bound)
        longest = choose_longest(lengths)
    if longest is None:
        assert lengths.sum() <= bound
    else:
        assert np.minimum(lengths, longest).sum() <= bound < np.minimum(lengths, longest + 1).sum()


def test_the_coefficients_have_a_bound_and_the_most_frequent_features_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COEFFICIENTS", 6)
    baseline = fit_baseline(["a b", "a c", "a d"], np.arange(3), ["a"], np.array([0]))
    assert baseline.classifier.coef_.shape == (3, 2 + 2)  # words, and parts of words
    assert "words__a" in baseline.features.get_feature_names_out()


def test_fitted_classifiers_but_the_best_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: weakref.WeakSet[LinearSVC] = weakref.WeakSet()
    kept = []

    class Counted(LinearSVC):
        def fit(self, rows: object, labels: object) -> "Counted":
            kept.append(len(fitted))
            fitted.add(self)
            return super().fit(rows, labels)

    monkeypatch.setattr(module, "LinearSVC", Counted)
    fit_baseline(TEXTS, LABELS, TEXTS, LABELS)
    assert len(kept) == len(CANDIDATES)
    assert max(kept) <= 2  # the best so far, and the last


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
