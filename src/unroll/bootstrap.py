"""How far a difference between two models may be due to the choice of test rows."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
CHUNK = 500  # resamples at a time, so that memory stays small


@dataclass(frozen=True)
class Interval:
    """A difference, and the interval that holds it with 95 % confidence."""

    difference: float
    low: float
    high: float


def bootstrap_macro_f1(labels: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int) -> Interval:
    """Return how much higher the macro-F1 of the first predictions is than that of the second ones, on the same rows.

    labels, first, second: [rows] int64. The interval holds the middle 95 % of the differences on resampled rows
    (paired percentile bootstrap: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13); the same
    arguments give the same interval.
    """
    # Rows of the same label and predictions are alike, so it is enough to draw how many there are of each kind.
    kinds, counts = np.unique(np.stack([labels, first, second], axis=1), axis=0, return_counts=True)
    generator = np.random.default_rng(0)
    shares = counts / counts.sum()
    differences = np.concatenate(
        [
            _subtract(generator.multinomial(counts.sum(), shares, size=CHUNK), kinds, classes)
            for _ in range(RESAMPLES // CHUNK)
        ]
    )
    low, high = np.quantile(differences, [0.025, 0.975])
    return Interval(float(_subtract(counts[np.newaxis], kinds, classes)[0]), float(low), float(high))


def _subtract(counts: np.ndarray, kinds: np.ndarray, classes: int) -> np.ndarray:
    """Return the difference of macro-F1 for each row of `counts`, `[resamples, kinds]`; kinds: [kinds, 3]."""
    label, first, second = (np.eye(classes, dtype=np.int64)[column] for column in kinds.T)
    return _compute_macro_f1(counts, label, first) - _compute_macro_f1(counts, label, second)


def _compute_macro_f1(counts: np.ndarray, label: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the mean over classes of 2 TP / (actual + predicted); one-hot kinds.

    A class that has no row has 0, as everywhere; but one whose few rows are not among those drawn is left out.
    """
    hits, total = counts @ (label * predicted), counts @ label + counts @ predicted
    not_drawn = (total == 0) & (label + predicted).any(axis=0)
    return (2 * hits / np.maximum(total, 1)).sum(axis=1) / (label.shape[1] - not_drawn.sum(axis=1))
