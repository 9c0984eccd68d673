"""The rule by which trials of a search are pruned.

A trial is pruned at the first epoch at which its best score so far is below the median of what the complete trials of
earlier batches had reached by then. Its own curve shows that, so it does not matter whether its training was stopped in
time: one that ends first is judged by the same rule, and counts as pruned at the same epoch.
"""

import csv
import math
import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from statistics import median

F1, LOSS = "val_macro_f1", "val_loss"  # what a search goes by, in metrics/train.json and in the history
HISTORY = "metrics/plots/history.csv"
LEAST_CURVES = 4  # complete trials that it takes to judge others
GRACE = 2  # epochs after which nobody is judged yet
DIVERGED = re.compile(
    r"loss became (nan|-?inf) in epoch"
)  # in the line with which a training ends that came to nothing


def find_limits(curves: Sequence[Sequence[float]], objective: str) -> list[float]:
    """Return what a trial must have reached by each epoch, higher being better; curves: of complete trials.

    A trial that ended early keeps its best score for later epochs.
    """
    if len(curves) < LEAST_CURVES:
        return []
    bests = [list(accumulate(_orient(curve, objective), max)) for curve in curves]
    longest = max(map(len, bests))
    medians = (median(best[min(epoch, len(best) - 1)] for best in bests) for epoch in range(longest))
    return [-math.inf if epoch < GRACE else limit for epoch, limit in enumerate(medians)]


def find_pruned(curve: Sequence[float], limits: Sequence[float], objective: str) -> int:
    """Return the epoch at which a trial with this curve is pruned, or 0; limits: as `find_limits` returns them."""
    bests = accumulate(_orient(curve, objective), max)
    epochs = enumerate(zip(bests, limits, strict=False), start=1)
    return next((epoch for epoch, (best, limit) in epochs if best < limit), 0)


def read_curve(history: str, objective: str) -> list[float]:
    """Return the score of each epoch from the text of metrics/plots/history.csv."""
    return [float(row[objective]) for row in csv.DictReader(history.splitlines())]


def _orient(curve: Iterable[float], objective: str) -> list[float]:
    return [-value for value in curve] if objective == LOSS else list(curve)
