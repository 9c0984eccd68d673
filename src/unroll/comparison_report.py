"""What `unroll compare` answers: the results that were asked for, in tables, with notes on what was left out."""

import sys
from dataclasses import dataclass

from unroll.comparison import (
    OVER_BASELINE,
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
from unroll.comparison_tables import (
    tabulate_differences,
    tabulate_figures,
    tabulate_means,
    tabulate_over_baseline,
)
from unroll.console import Format, print_table
from unroll.errors import InputError
from unroll.results import Result, Results

COSTS = ("parameters", "seconds")


@dataclass(frozen=True)
class Question:
    """What is compared, by which parameters, and which results are meant."""

    by: list[str]
    metrics: list[str]
    conditions: dict[str, str]  # values that parameters have
    against: tuple[str, ...]  # values of `by`; none for those of params.yaml


def print_comparison(found: Results, question: Question, present: dict[str, str], format: Format) -> None:
    """Print tables of the results, and notes on standard error; present: the parameters of params.yaml, flat.

    Raises:
        InputError: no result is what was asked for.
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
    print_table(*tabulate_means(rows + baselines, by, [*metrics, *COSTS]), format)
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
    """Return the results that are meant and have all the metrics; tell how many are left out for want of them."""
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
