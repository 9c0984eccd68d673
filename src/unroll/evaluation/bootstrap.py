"""How much of a score, or of a difference between two models, may be due to the choice of test rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

RESAMPLES = 10_000
DRAWN_AT_ONCE = 1_000_000  # counts, so that memory stays small
ENDS = (0.025, 0.975)


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
    (label, *predicted), counts = _count_kinds(classes, labels, first, second)
    differences = np.concatenate([_subtract(drawn, label, *predicted) for drawn in _resample(counts)])
    low, high = np.quantile(differences, ENDS)
    return Interval(float(_subtract(counts[np.newaxis], label, *predicted)[0]), float(low), float(high))


def bootstrap_f1(labels: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95 % confidence intervals of each class's F1, [2, classes], and of macro-F1, [2].

    labels, predicted: [rows] int64. As above, with single predictions; a class's interval leaves out the resamples that
    have no row of it.
    """
    (label, found), counts = _count_kinds(classes, labels, predicted)
    f1 = np.concatenate([_compute_f1(drawn, label, found) for drawn in _resample(counts)])
    return np.nanquantile(f1, ENDS, axis=0), np.quantile(_average(f1), ENDS)


def _count_kinds(classes: int, *columns: np.ndarray) -> tuple[list[csr_array], np.ndarray]:
    """Return what kinds of rows there are, as a mark of each column's class, and how many rows are of each kind.

    Rows with the same label and predictions are alike, so it is enough to draw how many there are of each kind.
    """
    kinds, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return [_mark(column, classes) for column in kinds.T], counts


def _resample(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Yield how many rows of each kind each resample has, [resamples, kinds], a part of the resamples at a time."""
    generator = np.random.default_rng(0)
    at_once = max(1, DRAWN_AT_ONCE // len(counts))
    for done in range(0, RESAMPLES, at_once):
        yield generator.multinomial(counts.sum(), counts / counts.sum(), size=min(at_once, RESAMPLES - done))


def _mark(column: np.ndarray, classes: int) -> csr_array:
    """Return the class of each kind, `[kinds, classes]`, as a sparse array with a one in each row."""
    return csr_array((np.ones_like(column), (np.arange(len(column)), column)), shape=(len(column), classes))


def _subtract(counts: np.ndarray, label: csr_array, first: csr_array, second: csr_array) -> np.ndarray:
    """Return the difference in macro-F1 for each row of `counts`, `[resamples, kinds]`."""
    return _average(_compute_f1(counts, label, first)) - _average(_compute_f1(counts, label, second))


def _compute_f1(counts: np.ndarray, label: csr_array, predicted: csr_array) -> np.ndarray:
    """Return each class's F1, 2 TP / (actual + predicted), for each row of `counts`: `[resamples, classes]`.

    As everywhere, a class without rows counts as 0; but of a class of which no row was drawn, F1 is NaN.
    """
    hits, total = counts @ (label * predicted), counts @ (label + predicted)
    not_drawn = (total == 0) & ((label + predicted).sum(axis=0) > 0)
    return np.where(not_drawn, np.nan, 2 * hits / np.maximum(total, 1))


def _average(f1: np.ndarray) -> np.ndarray:
    """Return macro-F1, the mean over the classes that are there."""
    return np.nansum(f1, axis=1) / (~np.isnan(f1)).sum(axis=1)
