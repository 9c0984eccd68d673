"""How much of a difference between two models may be due to the choice of test rows."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

RESAMPLES = 10_000
DRAWN_AT_ONCE = 1_000_000  # counts, so that memory stays small


@dataclass(frozen=True)
class Interval:
    """A difference, with its 95 % confidence interval."""

    difference: float
    low: float
    high: float


def bootstrap_macro_f1(labels: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int) -> Interval:
    """Return how much higher the macro-F1 of the first predictions is than that of the second, on the same rows.

    labels, first, second: [rows] int64. The interval holds the middle 95 % of the differences on resampled rows
    (paired percentile bootstrap: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13); the same
    arguments give the same interval.
    """
    # Rows with the same label and predictions are alike, so it is enough to draw how many there are of each kind.
    kinds, counts = np.unique(np.stack([labels, first, second], axis=1), axis=0, return_counts=True)
    label, *predicted = (_mark(column, classes) for column in kinds.T)
    generator = np.random.default_rng(0)
    rows, shares = counts.sum(), counts / counts.sum()
    at_once = max(1, DRAWN_AT_ONCE // len(kinds))
    differences = np.concatenate(
        [
            _subtract(generator.multinomial(rows, shares, size=min(at_once, RESAMPLES - done)), label, *predicted)
            for done in range(0, RESAMPLES, at_once)
        ]
    )
    low, high = np.quantile(differences, [0.025, 0.975])
    return Interval(float(_subtract(counts[np.newaxis], label, *predicted)[0]), float(low), float(high))


def _mark(column: np.ndarray, classes: int) -> csr_array:
    """Return the class of each kind, `[kinds, classes]`, as a sparse array with a one in each row."""
    return csr_array((np.ones_like(column), (np.arange(len(column)), column)), shape=(len(column), classes))


def _subtract(counts: np.ndarray, label: csr_array, first: csr_array, second: csr_array) -> np.ndarray:
    """Return the difference in macro-F1 for each row of `counts`, `[resamples, kinds]`."""
    return _compute_macro_f1(counts, label, first) - _compute_macro_f1(counts, label, second)


def _compute_macro_f1(counts: np.ndarray, label: csr_array, predicted: csr_array) -> np.ndarray:
    """Return the mean over classes of 2 TP / (actual + predicted).

    As everywhere, a class without rows counts as 0; but a class of which no row was drawn is left out.
    """
    hits, total = counts @ (label * predicted), counts @ (label + predicted)
    not_drawn = (total == 0) & ((label + predicted).sum(axis=0) > 0)
    return (2 * hits / np.maximum(total, 1)).sum(axis=1) / (label.shape[1] - not_drawn.sum(axis=1))
