"""A training that went wrong is reported, and one that went well is not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from unroll.base.files import write_json
from unroll.training.progress import Epoch, Training
from unroll.training.report import find_symptoms, summarize

EPOCH = Epoch(1, 1.0, 1.0, {"macro_f1": 0.5}, 0.01, 1.0, 0.0, 100.0)
NAMES = ["Business", "Sports", "World"]
LABELS = np.array([0, 0, 0, 1, 1, 2], dtype=np.int64)


def make_training(losses: list[float], outputs: Tensor) -> Training:
    history = [replace(EPOCH, epoch=number, train_loss=loss) for number, loss in enumerate(losses, start=1)]
    return Training(history, history[0], {}, {1: outputs}, 1.0)


def make_logits(classes: list[int]) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(classes), 3).float()


def test_nothing_is_said_of_a_training_that_went_well() -> None:
    training = make_training([1.0, 0.7, 0.5, 0.45], make_logits([0, 0, 1, 1, 1, 2]))
    assert find_symptoms(training, LABELS, 3, NAMES) == []
    assert "warnings" not in summarize(training, 10, [])


@pytest.mark.parametrize(
    ("losses", "is_still"),
    [
        ([1.0, 0.9, 0.5, 0.5001, 0.5, 0.4999], True),
        ([1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.0, 1.0], False),  # three epochs have only two steps between them
        ([1.0, 0.9, 0.5, 0.5, 0.5, 0.49], False),
        ([1.0, 0.9, 0.5, 0.5, 0.5, 0.499], False),  # a fifth of a per cent of itself
        ([1.0, 0.1, 5e-3, 5e-3, 5e-3, 5e-3], False),  # all is learned, beside the first epoch
    ],
)
def test_a_loss_that_does_not_move(losses: list[float], is_still: bool) -> None:
    found = find_symptoms(make_training(losses, make_logits(LABELS.tolist())), LABELS, 3, NAMES)
    assert found == ([f"the training loss has not moved from {losses[-1]:.4g} in 3 epochs"] if is_still else [])


def test_a_class_that_is_never_predicted() -> None:
    training = make_training([1.0, 0.5], make_logits([0, 0, 0, 0, 1, 1]))
    assert find_symptoms(training, LABELS, 3, NAMES) == ["never predicted in validation: World"]
    assert find_symptoms(training, LABELS, 3, []) == ["never predicted in validation: 2"]
    without = np.where(LABELS == 2, 0, LABELS)  # validation has no row of it: that it is not predicted is right
    assert find_symptoms(training, without, 3, NAMES) == []


def test_of_many_classes_that_are_never_predicted_some_are_named() -> None:
    logits = torch.zeros(500, 500)
    logits[:, 0] = 1
    found, *_ = find_symptoms(make_training([1.0, 0.5], logits), np.arange(500), 3, [])
    assert found == "never predicted in validation: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 489 more"


def test_steps_are_counted_like_rows() -> None:
    """Logits are [rows, steps, classes], and the rows fewer than the classes."""
    outputs, labels = make_logits([0, 0, 0, 0, 1, 1]).reshape(2, 3, 3), LABELS.reshape(2, 3)
    assert find_symptoms(make_training([1.0, 0.5], outputs), labels, 3, NAMES) == [
        "never predicted in validation: World"
    ]
    right = make_logits(LABELS.tolist()).reshape(2, 3, 3)
    assert find_symptoms(make_training([1.0, 0.5], right), labels, 3, NAMES) == []


def test_validation_below_the_most_frequent_class() -> None:
    training = make_training([1.0, 0.5], make_logits([1, 2, 0, 1, 0, 0]))
    assert find_symptoms(training, LABELS, 3, NAMES) == [
        "validation accuracy 0.3333 is below the most frequent class's share, 0.5000"
    ]


def test_values_further_off_than_their_mean() -> None:
    targets = np.array([[0.0], [2.0]], dtype=np.float32)
    good, bad = torch.tensor([[0.5], [1.5]]), torch.tensor([[2.0], [0.0]])
    assert find_symptoms(make_training([1.0, 0.5], good), targets, 3, []) == []
    assert find_symptoms(make_training([1.0, 0.5], bad), targets, 3, []) == [
        "validation error 4 is above 1, the variance of what is to be predicted"
    ]


def test_warnings_are_told_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = summarize(make_training([1.0], make_logits([0])), 10, ["one thing", "another"])
    assert capsys.readouterr().err == "warning: one thing\nwarning: another\n"
    write_json(tmp_path / "train.json", summary)
    assert json.loads((tmp_path / "train.json").read_text())["warnings"] == "one thing; another"
