"""Scores, against figures worked out by hand."""

import math

import numpy as np
import pytest

from unroll.scores import compute_macro_f1, compute_scores, count_confusions

#            a  a  a  b  b
LABELS = np.array([0, 0, 0, 1, 1])
PROBABILITIES = np.array([[0.8, 0.2, 0], [0.6, 0.4, 0], [0.1, 0.9, 0], [0.3, 0.7, 0], [0.75, 0.25, 0]])


def test_by_hand() -> None:
    scores = compute_scores(LABELS, PROBABILITIES, ["a", "b", "never"])
    # a: 2 of 3 predictions right, 2 of 3 rows found; b: 1 of 2 and 1 of 2; "never" is neither there nor predicted.
    assert scores["per_class"]["a"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3})
    assert scores["per_class"]["b"] == pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2})
    assert scores["per_class"]["never"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    overall = scores["overall"]
    assert overall["accuracy"] == pytest.approx(3 / 5)
    assert overall["macro_f1"] == pytest.approx((2 / 3 + 0.5 + 0) / 3)
    assert overall["weighted_f1"] == pytest.approx((3 * 2 / 3 + 2 * 0.5) / 5)
    assert overall["log_loss"] == pytest.approx(-sum(map(math.log, (0.8, 0.6, 0.1, 0.7, 0.25))) / 5)
    assert overall["samples"] == 5
    assert isinstance(overall["samples"], int)


def test_perfect_predictions() -> None:
    overall = compute_scores(np.array([0, 1]), np.eye(2), ["a", "b"])["overall"]
    assert overall.pop("log_loss") == pytest.approx(0, abs=1e-6)
    assert overall.pop("samples") == 2
    assert set(overall.values()) == {1.0}
    assert set(overall) == {"accuracy"} | {
        f"{a}_{b}" for a in ("macro", "weighted") for b in ("precision", "recall", "f1")
    }


def test_confusions() -> None:
    predicted = PROBABILITIES.argmax(axis=1)
    assert count_confusions(LABELS, predicted, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert compute_macro_f1(LABELS, predicted, 2) == pytest.approx((2 / 3 + 0.5) / 2)
