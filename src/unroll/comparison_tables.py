"""What `unroll compare` prints: a table of means, a table of differences, or one table with every figure."""

import math
from collections.abc import Iterable

from unroll.comparison import OVER_BASELINE, Difference, Row, Summary

UNKNOWN = "–"
DIGITS = {"parameters": 0, "seconds": 0}  # after the point; four for every other metric


def tabulate_means(rows: list[Row], by: list[str], metrics: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells: how many runs and seeds, and the mean ± standard deviation of each metric."""
    columns = [*by, "runs", "seeds", *metrics]
    cells = [
        [*row.values, str(row.runs), str(row.seeds), *(_format_summary(name, row.summaries[name]) for name in metrics)]
        for row in rows
    ]
    return columns, cells


def tabulate_differences(rows: list[Row], by: list[str], metrics: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells: how many pairs, and the mean difference of each metric with its interval."""
    cells = [
        [*row.values, str(row.pairs), *(_format_difference(name, row.differences[name]) for name in metrics)]
        for row in rows
        if row.differences
    ]
    return [*by, "pairs", *metrics], cells


def tabulate_over_baseline(rows: list[Row], by: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells: how many runs were compared with their baseline, and their mean difference to it.

    The interval's ends are the means of the ends of the runs' own intervals, which tell how far a difference may be
    due to the choice of test rows.
    """
    cells = []
    for row in rows:
        difference, low, high = (row.summaries[name] for name in OVER_BASELINE)
        means = Difference(difference.mean, low.mean, high.mean)
        cells.append([*row.values, str(difference.count), _format_difference(OVER_BASELINE[0], means)])
    return [*by, "runs", "test/macro_f1"], cells


def tabulate_figures(rows: list[Row], by: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells with every figure in a cell of its own, for programs."""
    metrics = list(rows[0].summaries)
    parts = ("mean", "sd", "difference", "low", "high")
    columns = [*by, "runs", "seeds", "pairs", *(f"{name} {part}" for name in metrics for part in parts)]
    return columns, [[*row.values, *map(str, (row.runs, row.seeds, row.pairs)), *_list_figures(row)] for row in rows]


def _list_figures(row: Row) -> Iterable[str]:
    for name, summary in row.summaries.items():
        difference = row.differences.get(name, Difference(*[math.nan] * 3))
        for value in (summary.mean, summary.sd, difference.mean, difference.low, difference.high):
            yield "" if math.isnan(value) else f"{value:.10g}"


def _format_summary(name: str, summary: Summary) -> str:
    if math.isnan(summary.mean):
        return UNKNOWN
    mean = _format(name, summary.mean)
    is_one_count = name == "parameters" and not summary.sd
    return mean if math.isnan(summary.sd) or is_one_count else f"{mean} ± {_format(name, summary.sd)}"


def _format_difference(name: str, difference: Difference) -> str:
    if math.isnan(difference.mean):
        return UNKNOWN
    ends = (UNKNOWN if math.isnan(end) else _format(name, end, "+") for end in (difference.low, difference.high))
    return f"{_format(name, difference.mean, '+')} [{', '.join(ends)}]"


def _format(name: str, value: float, sign: str = "") -> str:
    return f"{value:{sign},.{DIGITS.get(name, 4)}f}"
