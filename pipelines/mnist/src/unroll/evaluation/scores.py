"""Scores of predictions: overall, by class, and how far probabilities can be trusted; also as tables."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from unroll.evaluation.validation import compute_macro_f1


def compute_scores(labels: np.ndarray, probabilities: np.ndarray, bins: int) -> dict[str, float]:
    """Return the few figures that models are compared by: metrics/test.json.

    labels: [rows] int64; probabilities: [rows, classes] float64, rows that sum to 1. Log loss is the mean of
    -ln(probability of the true class), in nats; scikit-learn counts at most 36 for a row. For the calibration error see
    `compute_reliability`.
    """
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "calibration_error": compute_calibration_error(compute_reliability(labels, probabilities, bins)),
        "log_loss": float(log_loss(labels, probabilities, labels=list(range(classes)))),
        "macro_f1": compute_macro_f1(labels, predicted, classes),
    }


def compute_class_scores(labels: np.ndarray, predicted: np.ndarray, class_names: list[str]) -> dict[str, Any]:
    """Return precision, recall, F1 and support of each class, and their averages: metrics/per_class.json.

    labels and predicted: [rows] int64. Macro averages weight all classes equally, weighted ones by support; a
    precision or recall that would divide by zero is 0.
    """
    numbers = list(range(len(class_names)))
    averages = {}
    for average in ("macro", "weighted"):
        values = precision_recall_fscore_support(labels, predicted, labels=numbers, average=average, zero_division=0)
        averages[average] = dict(zip(("precision", "recall", "f1"), map(float, values[:3]), strict=True))
    columns = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
    return averages | {
        "classes": {
            name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
            for name, precision, recall, f1, support in zip(class_names, *columns, strict=True)
        },
    }


def count_confusions(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each actual class (row) was predicted as each class (column); [classes, classes] int64."""
    return confusion_matrix(labels, predicted, labels=list(range(classes)))


def compute_reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int) -> pd.DataFrame:
    """Return how often predictions of about the same confidence are right.

    The confidence of a prediction is the probability of the predicted class. Confidences are put into `bins` bins of
    equal width between 0 and 1. Each nonempty bin is a row: its mean `confidence`, its `accuracy` and its `count`.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    table = pd.DataFrame(
        {
            "bin": np.minimum((confidence * bins).astype(int), bins - 1),
            "confidence": confidence,
            "correct": probabilities.argmax(axis=1) == labels,
        }
    )
    groups = table.groupby("bin")
    return groups.agg(
        confidence=("confidence", "mean"), accuracy=("correct", "mean"), count=("correct", "size")
    ).reset_index(drop=True)


def compute_calibration_error(reliability: pd.DataFrame) -> float:
    """Return the expected calibration error (Naeini et al. 2015, AAAI).

    It is the mean distance between confidence and accuracy over the rows of `compute_reliability`, weighted by count.
    """
    distances = (reliability["accuracy"] - reliability["confidence"]).abs()
    return float(np.average(distances, weights=reliability["count"]))


def tabulate_classes(per_class: dict[str, Any]) -> pd.DataFrame:
    """Return a row for each class."""
    return pd.DataFrame.from_dict(per_class["classes"], orient="index").rename_axis("class").reset_index()


def tabulate_predictions(labels: np.ndarray, predicted: np.ndarray, class_names: list[str]) -> pd.DataFrame:
    """Return the actual and the predicted class of each row, for DVC's confusion matrix."""
    names = np.array(class_names, dtype=object)
    return pd.DataFrame({"actual": names[labels], "predicted": names[predicted]})
