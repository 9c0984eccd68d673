"""Scores of predictions: overall and for each class."""

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support


def compute_scores(labels: np.ndarray, probabilities: np.ndarray, class_names: list[str]) -> dict[str, Any]:
    """Return what becomes metrics/test.json.

    labels: [rows] int64; probabilities: [rows, classes], rows that sum to 1. Macro averages count every class the
    same, weighted ones by its support; a precision or recall that would divide by zero is 0. Log loss is the mean of
    -ln(probability of the true class), in nats.
    """
    predicted = probabilities.argmax(axis=1)
    numbers = list(range(len(class_names)))
    overall = {
        "accuracy": accuracy_score(labels, predicted),
        "log_loss": log_loss(labels, probabilities, labels=numbers),
        "samples": len(labels),
    }
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predicted, labels=numbers, average=average, zero_division=0
        )
        overall |= {f"{average}_precision": precision, f"{average}_recall": recall, f"{average}_f1": f1}
    per_class = zip(
        class_names,
        *precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0),
        strict=True,
    )
    return {
        "overall": {name: int(value) if name == "samples" else float(value) for name, value in overall.items()},
        "per_class": {
            name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
            for name, precision, recall, f1, support in per_class
        },
    }


def compute_macro_f1(labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Return the unweighted mean of the classes' F1; labels and predicted: [rows] int64."""
    return float(f1_score(labels, predicted, labels=list(range(classes)), average="macro", zero_division=0))


def count_confusions(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each actual class (row) was predicted as each class (column); [classes, classes] int64."""
    return confusion_matrix(labels, predicted, labels=list(range(classes)))
