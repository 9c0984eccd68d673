"""The names of the metrics in MLflow, and the number of digits that are logged."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

from unroll.tracking.names import (
    LONGEST,
    name_baseline,
    name_epoch,
    name_gradient,
    name_layers,
    name_scores,
    name_training,
)

AVERAGES = {"precision": 0.12345678, "recall": 0.5, "f1": 0.25}
PER_CLASS = {
    "macro": AVERAGES,
    "weighted": AVERAGES,
    "classes": {"World": {"f1": 0.12345678, "support": 3}},
}


def test_an_epoch_has_the_digits_of_its_file() -> None:
    assert name_epoch({"epoch": 3, "train_loss": 1.23456789}) == {"curve/train_loss": 1.23457}
    assert name_layers({"head.bias": 0.000123456789}) == {"gradient/head.bias": 0.000123457}
    assert name_gradient(7, 12.3456789) == {"gradient by time/epoch 007": 12.3457}


def test_a_training() -> None:
    summary = {"best_epoch": 2, "epochs": 4, "parameters": 7, "val_loss": 0.12345678, "warnings": "few"}
    assert name_training(summary) == {"best/epoch": 2, "epochs": 4, "parameters": 7, "best/val_loss": 0.123457}
    assert name_training(summary | {"vector_coverage": 0.5})["vector_coverage"] == 0.5


def test_scores_with_and_without_classes() -> None:
    assert name_scores({"rmse": 0.12345678}, {}) == {"test/rmse": 0.123457}
    assert name_scores({"accuracy": 1.0}, PER_CLASS) == {
        "test/accuracy": 1.0,
        **{f"test/{average}_precision": 0.123457 for average in ("macro", "weighted")},
        **{f"test/{average}_recall": 0.5 for average in ("macro", "weighted")},
        **{f"test/{average}_f1": 0.25 for average in ("macro", "weighted")},
        "test/World/f1": 0.123457,  # and no support, which is a fact of the data
    }


def test_a_baseline_is_named_as_a_network() -> None:
    scores = {"accuracy": 0.5, "calibration_error": 0.1, "log_loss": 1.0, "macro_f1": 0.4}
    chosen = {"c": 0.3, "temperature": 1.0, "val_macro_f1": 0.12345678, "parameters": 9}
    expected = {f"test/{name}": value for name, value in scores.items()}
    assert name_baseline(scores | chosen, {}) == expected | {"best/val_macro_f1": 0.123457, "parameters": 9}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("Sci/Tech", "Sci/Tech"),
        ("R&D", "R_x26_D"),
        ("C++", "C_x2b__x2b_"),
        ("C##", "C_x23__x23_"),
        ("C_x2b__x2b_", "C_x5f_x2b__x5f_x2b_"),
        ("not_x", "not_x"),
        ("a_b-c. d:1", "a_b-c. d:1"),
        ("/.", "_x2f__x2e_"),
        ("..", "_x2e__x2e_"),
        ("world 世界", "world 世界"),
        ("हिन्दी", "ह_x93f_न_x94d_द_x940_"),
    ],
)
def test_a_class_has_a_name_that_mlflow_allows(name: str, allowed: str) -> None:
    assert name_scores({}, {"classes": {name: {"f1": 1.0}}}) == {f"test/{allowed}/f1": 1.0}


PIECES = st.sampled_from(["a", "x", "2b", "_", "_x", "_x2b_", "+", "#", "/", ".", "..", " ", "ि", "é", "\ud800"])
NAMES = st.lists(PIECES, min_size=1, max_size=8).map("".join) | st.text(min_size=1, max_size=200)


@given(st.lists(NAMES, unique=True, max_size=6))
@example(["+" * 200, "+" * 199 + "-", "a" * 200])
def test_distinct_classes_have_distinct_names_that_mlflow_allows(names: list[str]) -> None:
    named = name_scores({}, {"classes": {name: {"f1": 1.0, "precision": 1.0} for name in names}})
    assert len(named) == 2 * len(names)
    for name in named:
        _validate_metric_name(name)
        assert len(name) <= MAX_ENTITY_KEY_LENGTH


@given(NAMES)
def test_the_name_of_a_class_can_be_read_back(name: str) -> None:
    (named,) = name_scores({}, {"classes": {name: {"f1": 1.0}}})
    allowed = named.removeprefix("test/").removesuffix("/f1")
    back = re.sub("_x([0-9a-f]+)_", lambda found: chr(int(found[1], 16)), allowed)
    assert back == name or len(allowed) == LONGEST
