"""unroll compare: tables of the chosen results, with notes on what was left out."""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from unroll.base.errors import InputError
from unroll.cli.console import Format, print_table
from unroll.results.collect import Result, Results
from unroll.results.comparison import (
    OVER_BASELINE,
    ComparisonRow,
    Difference,
    Summary,
    choose_baselines,
    choose_reference,
    choose_results,
    compare_results,
    drop_outdated,
    drop_repeats,
    find_varying,
    require_known,
    summarize_baselines,
)

COSTS = ("parameters", "seconds")


@dataclass(frozen=True)
class Question:
    """What to compare, by which parameters, and among which results."""

    by: list[str]
    metrics: list[str]
    conditions: dict[str, str]  # parameters that results must have
    against: tuple[str, ...]  # values of `by` to compare with; empty: those of params.yaml


def print_comparison(found: Results, question: Question, present: dict[str, str], format: Format) -> None:
    """Print tables of the results, and notes on standard error; present: the parameters of params.yaml, flat.

    Raises:
        InputError: no result matches.
    """
    by, metrics = question.by, question.metrics
    results = _choose(found.networks, question)
    reference = question.against or choose_reference(results, by, present)
    has_baseline = any(OVER_BASELINE[0] in result.metrics for result in results)
    names = list(dict.fromkeys((*metrics, *COSTS, *(OVER_BASELINE if has_baseline else ()))))
    rows = compare_results(results, by, names, reference)
    baselines = summarize_baselines(choose_baselines(found.baselines, results), by, names)
    if format is Format.CSV:
        print_table(*tabulate_figures(rows + baselines, by), format)
        return
    costs = [name for name in COSTS if any(row.summaries[name].count for row in rows + baselines)]
    print_table(*tabulate_means(rows + baselines, by, [*metrics, *costs]), format)
    if len(rows) > 1:
        print(f"\nDifference to {', '.join(reference)} of runs that agree in all else: mean [95 % interval]\n")
        print_table(*tabulate_differences(rows, by, metrics), format)
    if has_baseline:
        print("\nDifference to the linear baseline on the same test rows: mean over the runs")
        print("[mean ends of the runs' 95 % intervals, each by resampling the test rows]\n")
        print_table(*tabulate_over_baseline(rows, by), format)
    for name, values in find_varying(results, by).items():
        _note(f"{name} varies ({', '.join(values)}); --where {name}=VALUE takes the runs of one value")


def _choose(found: list[Result], question: Question) -> list[Result]:
    """Return the matching results that have all the metrics; print how many lack some."""
    metrics = question.metrics
    require_known("parameter", question.by, {name for result in found for name in result.params})
    require_known("metric", metrics, {name for result in found for name in result.metrics})
    meant = choose_results(drop_outdated(found), question.conditions)
    whole = drop_repeats([result for result in meant if all(name in result.metrics for name in metrics)])
    total, asked = len(drop_repeats(meant)), ", ".join(metrics)
    if not whole:
        advice = ": compare by one metric at a time" if len(metrics) > 1 else ""
        raise InputError(f"no result of {total} has {'all of ' if advice else ''}{asked}{advice}")
    if len(whole) < total:
        _note(f"{total - len(whole)} of {total} results are left out, as they lack a metric of {asked}")
    return whole


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


UNKNOWN = "–"
DIGITS = {"parameters": 0, "seconds": 0}  # after the point; four for every other metric


def tabulate_means(rows: list[ComparisonRow], by: list[str], metrics: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells: how many runs and seeds, and the mean ± standard deviation of each metric."""
    columns = [*by, "runs", "seeds", *metrics]
    cells = [
        [*row.values, str(row.runs), str(row.seeds), *(_format_summary(name, row.summaries[name]) for name in metrics)]
        for row in rows
    ]
    return columns, cells


def tabulate_differences(
    rows: list[ComparisonRow], by: list[str], metrics: list[str]
) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells: how many pairs, and the mean difference of each metric with its interval."""
    cells = [
        [*row.values, str(row.pairs), *(_format_difference(name, row.differences[name]) for name in metrics)]
        for row in rows
        if row.differences
    ]
    return [*by, "pairs", *metrics], cells


def tabulate_over_baseline(rows: list[ComparisonRow], by: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells: how many runs were compared with their baseline, and their mean difference to it.

    The interval's ends are the means of the runs' own ends. Those say how far a difference may be due to the choice of
    test rows.
    """
    cells = []
    for row in rows:
        difference, low, high = (row.summaries[name] for name in OVER_BASELINE)
        means = Difference(difference.mean, low.mean, high.mean)
        cells.append([*row.values, str(difference.count), _format_difference(OVER_BASELINE[0], means)])
    return [*by, "runs", "test/macro_f1"], cells


def tabulate_figures(rows: list[ComparisonRow], by: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells, with every figure in its own cell, for programs."""
    metrics = list(rows[0].summaries)
    parts = ("mean", "sd", "difference", "low", "high")
    columns = [*by, "runs", "seeds", "pairs", *(f"{name} {part}" for name in metrics for part in parts)]
    return columns, [[*row.values, *map(str, (row.runs, row.seeds, row.pairs)), *_list_figures(row)] for row in rows]


def _list_figures(row: ComparisonRow) -> Iterable[str]:
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
