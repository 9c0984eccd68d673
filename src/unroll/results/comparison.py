"""Comparing results of several seeds: means, deviations, and paired differences with their intervals."""

from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
from more_itertools import map_reduce
from scipy.special import stdtrit  # scipy.stats offers the same, but takes half a second to import

from unroll.base.errors import InputError
from unroll.results.collect import Result
from unroll.tracking.baseline import keep_params

SEEDS = ("train.seed", "split.seed")
CONFIDENCE = 0.95
NOT_SET = "not set"  # in results that are older than the parameter
LINEAR_BASELINE = "baseline"  # the name of its row
# How far a network's test macro-F1 is above the baseline's, and the ends of the interval.
OVER_BASELINE = ("test/over_baseline", "test/over_baseline_low", "test/over_baseline_high")


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation of `count` values; NaN if there are too few values."""

    mean: float
    sd: float
    count: int


@dataclass(frozen=True)
class Difference:
    """Mean of the paired differences to the reference, and its interval; NaN if there are too few pairs."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ComparisonRow:
    """The results that share the values of the compared parameters."""

    values: tuple[str, ...]
    runs: int
    seeds: int
    pairs: int  # results with a counterpart in the reference: the same other parameters and data
    summaries: dict[str, Summary]  # by metric
    differences: dict[str, Difference]  # by metric; empty for the reference itself and for a baseline


def drop_repeats(results: list[Result]) -> list[Result]:
    """Keep only the last result of each set of parameters and data; results: the oldest first."""
    return list({_identify(result): result for result in results}.values())


def drop_outdated(results: list[Result]) -> list[Result]:
    """Drop results whose data has since changed under the same parameters; results: the oldest first."""
    latest = {_describe_data(result): result.data_md5 for result in results if result.data_md5}
    return [result for result in results if result.data_md5 in ("", latest.get(_describe_data(result)))]


def choose_results(results: list[Result], conditions: dict[str, str]) -> list[Result]:
    """Return the results whose parameters have these values.

    Raises:
        InputError: a parameter or a value is in none of the results.
    """
    for name, value in conditions.items():
        require_known("parameter", [name], {name for result in results for name in result.params})
        found = list_values(results, name)
        if value not in found:
            raise InputError(f"--where {name}={value}: no result has it, expected one of {', '.join(found)}")
        results = [result for result in results if result.params.get(name, NOT_SET) == value]
    return results


def require_known(kind: str, names: list[str], known: set[str]) -> None:
    """Raise InputError if a name is not among those of the results; kind: what it names."""
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(sorted(known))}"
            raise InputError(f"{name} is a {kind} of no result: {hint}")


def choose_reference(results: list[Result], by: list[str], present: dict[str, str]) -> tuple[str, ...]:
    """Return the values to compare the others with: the present ones, or the first if no result has those."""
    found = sorted({_read_values(result, by) for result in results}, key=lambda values: list(map(_order, values)))
    wanted = tuple(present.get(name, NOT_SET) for name in by)
    return wanted if wanted in found else found[0]


def choose_baselines(baselines: list[Result], results: list[Result]) -> list[Result]:
    """Return the baselines with the data, preprocessing and split of these results, each once.

    baselines: the oldest first. A baseline that was made by hand has no MD5 of its data; it counts as matching.
    """
    wanted = [(keep_params(result.params), result.data_md5) for result in results]
    return [
        baseline
        for baseline in drop_repeats(baselines)
        if any(
            baseline.params == params and (baseline.data_md5 == md5 or "" in (baseline.data_md5, md5))
            for params, md5 in wanted
        )
    ]


def find_varying(results: list[Result], by: list[str]) -> dict[str, list[str]]:
    """Return the parameters, except `by` and seeds, in which results differ, each with its values."""
    names = sorted({name for result in results for name in result.params} - {*by, *SEEDS})
    values = {name: list_values(results, name) for name in names}
    return {name: found for name, found in values.items() if len(found) > 1}


def list_values(results: list[Result], name: str) -> list[str]:
    """Return the values that a parameter has in the results, sorted."""
    return sorted({result.params.get(name, NOT_SET) for result in results}, key=_order)


def compare_results(
    results: list[Result], by: list[str], metrics: list[str], reference: tuple[str, ...]
) -> list[ComparisonRow]:
    """Return a row for each combination of values of the parameters `by`, sorted.

    reference: the values that the others are compared with. Two results are a pair if they have the same data and the
    same parameters except `by`. The interval of a mean difference of n pairs is that of
    Student's t with n - 1 degrees of freedom (Student 1908, Biometrika): mean ± t · sd / √n.

    Raises:
        InputError: no result has the reference's values, or results on different data would be averaged.
    """
    groups = map_reduce(results, lambda result: _read_values(result, by))
    for values, group in groups.items():
        _require_same_data(values, group)
    if reference not in groups:
        found = ", ".join(",".join(values) for values in sorted(groups))
        raise InputError(f"--against {','.join(reference)}: no result has it, expected one of {found}")
    counterparts = {_identify(result, by): result for result in groups[reference]}
    rows = []
    for values in sorted(groups, key=lambda values: list(map(_order, values))):
        group = groups[values]
        pairs = [(result, counterparts[key]) for result in group if (key := _identify(result, by)) in counterparts]
        differences = {} if values == reference else {name: _subtract(pairs, name) for name in metrics}
        rows.append(replace(_summarize_group(values, group, metrics), pairs=len(pairs), differences=differences))
    return rows


def summarize_baselines(baselines: list[Result], by: list[str], metrics: list[str]) -> list[ComparisonRow]:
    """Return rows for the baselines: one for each data set and each combination of their values of `by`."""
    data = [name for name in find_varying(baselines, by) if name.startswith("data.")]

    def describe(baseline: Result) -> tuple[str, ...]:
        first, *others = (baseline.params.get(name, "") for name in by)
        return ", ".join(
            filter(None, (LINEAR_BASELINE, first, *(baseline.params.get(name, "") for name in data)))
        ), *others

    groups = map_reduce(baselines, describe)
    return [_summarize_group(values, groups[values], metrics) for values in sorted(groups)]


def _summarize_group(values: tuple[str, ...], group: list[Result], metrics: list[str]) -> ComparisonRow:
    return ComparisonRow(
        values,
        runs=len(group),
        seeds=len({tuple(result.params.get(seed) for seed in SEEDS) for result in group}),
        pairs=0,
        summaries={name: _summarize([result.metrics.get(name) for result in group]) for name in metrics},
        differences={},
    )


def _read_values(result: Result, by: list[str]) -> tuple[str, ...]:
    return tuple(result.params.get(name, NOT_SET) for name in by)


def _identify(result: Result, but_for: list[str] | tuple[str, ...] = ()) -> tuple[str | tuple[str, str], ...]:
    """Return a key that two results share if they have the same data and parameters; but_for: parameters to ignore."""
    return (result.data_md5, *sorted((name, value) for name, value in result.params.items() if name not in but_for))


def _describe_data(result: Result) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in result.params.items() if name.startswith("data.")))


def _require_same_data(values: tuple[str, ...], group: list[Result]) -> None:
    for name, found in find_varying(group, []).items():
        if name.startswith("data."):
            raise InputError(
                f"the results of {', '.join(values)} are of different data ({name} is {' and '.join(found)}), which "
                f"have no mean: add --where {name}={found[0]}, or --by {name}"
            )


def _summarize(values: list[float | None]) -> Summary:
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else np.nan
    return Summary(mean, float(np.std(known, ddof=1)) if len(known) > 1 else np.nan, len(known))


def _subtract(pairs: list[tuple[Result, Result]], name: str) -> Difference:
    known = [(a.metrics[name], b.metrics[name]) for a, b in pairs if name in a.metrics and name in b.metrics]
    summary = _summarize([a - b for a, b in known])
    if len(known) < 2:
        return Difference(summary.mean, np.nan, np.nan)
    margin = stdtrit(len(known) - 1, (1 + CONFIDENCE) / 2) * summary.sd / np.sqrt(len(known))
    return Difference(summary.mean, float(summary.mean - margin), float(summary.mean + margin))


def _order(value: str) -> tuple[bool, float, str]:
    """Return a sort key: numbers by size, other values by the alphabet."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value
