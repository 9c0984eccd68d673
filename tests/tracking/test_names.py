"""The names of the metrics in MLflow, and the number of digits that are logged."""

import pytest

from unroll.tracking.names import name_baseline, name_epoch, name_gradient, name_layers, name_scores, name_training

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
        ("R&D", "R_D"),
        ("a_b-c. d:1", "a_b-c. d:1"),
        ("/.", "_/_"),
        ("..", "_"),
        ("world 世界", "world 世界"),
    ],
)
def test_a_class_has_a_name_that_mlflow_allows(name: str, allowed: str) -> None:
    assert name_scores({}, {"classes": {name: {"f1": 1.0}}}) == {f"test/{allowed}/f1": 1.0}
