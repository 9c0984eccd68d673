"""Scores, against figures worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import f1_score
from torch import Tensor, nn

from unroll.evaluation.scores import (
    compute_calibration_error,
    compute_class_scores,
    compute_reliability,
    compute_scores,
    count_confusions,
)
from unroll.evaluation.validation import compute_macro_f1
from unroll.models.predict import compute_probabilities
from unroll.text.tokens import Tokens

#            a  a  a  b  b
LABELS = np.array([0, 0, 0, 1, 1])
PROBABILITIES = np.array([[0.8, 0.2, 0], [0.6, 0.4, 0], [0.1, 0.9, 0], [0.3, 0.7, 0], [0.75, 0.25, 0]])
PREDICTED = PROBABILITIES.argmax(axis=1)


def test_overall_by_hand() -> None:
    scores = compute_scores(LABELS, PROBABILITIES, bins=10)
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0.5 + 0) / 3)
    assert scores["log_loss"] == pytest.approx(-sum(map(math.log, (0.8, 0.6, 0.1, 0.7, 0.25))) / 5)
    # bins: 0.6 right; 0.7 right, 0.75 wrong; 0.8 right; 0.9 wrong
    assert scores["calibration_error"] == pytest.approx((0.4 + 2 * abs(0.5 - 0.725) + 0.2 + 0.9) / 5)


@pytest.mark.parametrize("nats", [1.0, 15.0, 17.0, 30.0])
def test_the_log_loss_of_a_network_is_cut_no_earlier_than_that_of_the_baseline(nats: float) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(torch.tensor([nats, 0.0]))

        def forward(self, ids: Tensor, *others: Tensor) -> Tensor:
            return torch.ones(len(ids), 1) * self.logits

    tokens = Tokens.from_lists([[2], [3]], [1, 1])  # both are of the class that is not predicted
    probabilities = compute_probabilities(Network(), tokens, batch_size=2, temperature=0.5)
    expected = math.log1p(math.exp(2 * nats))
    of_the_baseline = softmax(np.array([[2 * nats, 0.0]] * 2), axis=1)
    for values in (probabilities, of_the_baseline):
        loss = compute_scores(tokens.labels, values, bins=10)["log_loss"]
        assert loss == pytest.approx(min(expected, -math.log(np.finfo(np.float64).eps)), rel=1e-9)


def test_each_class_by_hand() -> None:
    scores = compute_class_scores(LABELS, PREDICTED, ["a", "b", "never"])
    # a: 2 of 3 predictions right, 2 of 3 rows found; b: 1 of 2 and 1 of 2; "never" is neither there nor predicted.
    classes = scores["classes"]
    assert classes["a"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3})
    assert classes["b"] == pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2})
    assert classes["never"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert scores["macro"]["f1"] == pytest.approx((2 / 3 + 0.5 + 0) / 3)
    assert scores["weighted"]["f1"] == pytest.approx((3 * 2 / 3 + 2 * 0.5) / 5)


def test_perfect_predictions() -> None:
    scores = compute_scores(np.array([0, 1]), np.eye(2), bins=10)
    assert scores["log_loss"] == pytest.approx(0, abs=1e-6)
    assert scores["accuracy"] == scores["macro_f1"] == 1
    assert scores["calibration_error"] == 0
    per_class = compute_class_scores(np.array([0, 1]), np.array([0, 1]), ["a", "b"])
    assert per_class["macro"] == per_class["weighted"] == {"precision": 1, "recall": 1, "f1": 1}


def test_reliability_puts_every_row_into_one_bin() -> None:
    table = compute_reliability(LABELS, PROBABILITIES, bins=10)
    assert table.columns.tolist() == ["confidence", "accuracy", "count"]
    assert table["count"].tolist() == [1, 2, 1, 1]
    assert table["confidence"].tolist() == pytest.approx([0.6, 0.725, 0.8, 0.9])
    assert table["accuracy"].tolist() == [1, 0.5, 1, 0]
    # The last bin holds what is certain, too.
    certain = np.array([[1.0, 0.0], [0.95, 0.05], [0.85, 0.15]])
    assert compute_reliability(np.array([0, 0, 0]), certain, bins=10)["count"].tolist() == [1, 2]


def test_probabilities_that_are_frequencies_are_calibrated() -> None:
    random = np.random.default_rng(1)
    first = random.uniform(0, 1, 200_000)
    labels = (random.uniform(0, 1, len(first)) > first).astype(int)
    honest = compute_reliability(labels, np.column_stack([first, 1 - first]), bins=10)
    assert compute_calibration_error(honest) < 0.01
    boastful = np.clip(first * 4 - 1.5, 0.001, 0.999)
    assert compute_calibration_error(compute_reliability(labels, np.column_stack([boastful, 1 - boastful]), 10)) > 0.1


def test_confusions() -> None:
    assert count_confusions(LABELS, PREDICTED, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert compute_macro_f1(LABELS, PREDICTED, 2) == pytest.approx((2 / 3 + 0.5) / 2)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_macro_f1_is_that_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(rows).T
    expected = f1_score(labels, predicted, labels=range(6), average="macro", zero_division=0)
    assert compute_macro_f1(labels, predicted, 6) == pytest.approx(expected, abs=1e-12)
