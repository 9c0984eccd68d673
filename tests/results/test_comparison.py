"""Means, deviations and paired differences of results."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from unroll.base.errors import InputError
from unroll.cli.compare import tabulate_differences, tabulate_figures, tabulate_means
from unroll.results.collect import Result
from unroll.results.comparison import (
    choose_baselines,
    choose_reference,
    choose_results,
    compare_results,
    drop_outdated,
    drop_repeats,
    find_varying,
    summarize_baselines,
)

F1 = "test/macro_f1"


def make_result(cell: str, seed: int, score: float, data: str = "raw", **params: str) -> Result:
    named = {name.replace("__", "."): value for name, value in params.items()}
    return Result({"model.cell": cell, "train.seed": str(seed)} | named, {F1: score, "parameters": 10.0}, data)


def make_grid(**scores: list[float]) -> list[Result]:
    return [make_result(cell, seed, score) for cell, row in scores.items() for seed, score in enumerate(row)]


def test_means_and_sample_deviations_by_hand() -> None:
    rows = compare_results(make_grid(gru=[0.5, 0.7], rnn=[0.4, 0.5, 0.6]), ["model.cell"], [F1], ("gru",))
    gru, rnn = rows
    assert [(row.values, row.runs, row.seeds) for row in rows] == [(("gru",), 2, 2), (("rnn",), 3, 3)]
    assert (gru.summaries[F1].mean, gru.summaries[F1].sd) == pytest.approx((0.6, math.sqrt(0.02)))
    assert (rnn.summaries[F1].mean, rnn.summaries[F1].sd) == pytest.approx((0.5, 0.1))
    # Two pairs, of seeds 0 and 1, with differences -0.1 and -0.2; t for one degree of freedom is 12.7062.
    assert (rnn.pairs, rnn.differences[F1].mean) == (2, pytest.approx(-0.15))
    assert rnn.differences[F1].high - rnn.differences[F1].mean == pytest.approx(12.7062 * 0.05, rel=1e-4)
    assert gru.differences == {}


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=20))
def test_the_interval_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    differences = [a - b for a, b in pairs]
    if max(differences) - min(differences) < 1e-6:
        return  # SciPy's test is not defined without variation
    results = make_grid(gru=[b for _, b in pairs], lstm=[a for a, _ in pairs])
    found = compare_results(results, ["model.cell"], [F1], ("gru",))[1].differences[F1]
    expected = stats.ttest_rel(*zip(*pairs, strict=True)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_one_value_has_no_deviation_and_one_pair_no_interval() -> None:
    rows = compare_results(make_grid(gru=[0.5], rnn=[0.4]), ["model.cell"], [F1, "parameters"], ("gru",))
    assert math.isnan(rows[0].summaries[F1].sd)
    assert rows[1].differences[F1].mean == pytest.approx(-0.1)
    assert math.isnan(rows[1].differences[F1].low)
    assert tabulate_means(rows, ["model.cell"], [F1, "parameters"])[1][1] == ["rnn", "1", "1", "0.4000", "10"]
    assert tabulate_differences(rows, ["model.cell"], [F1])[1] == [["rnn", "1", "-0.1000 [–, –]"]]


def test_only_runs_that_agree_in_all_else_are_pairs() -> None:
    results = [
        make_result("gru", 1, 0.5, model__pooling="max"),
        make_result("rnn", 1, 0.4, model__pooling="max"),
        make_result("lstm", 1, 0.6, model__pooling="mean"),
        make_result("lstm", 2, 0.6, model__pooling="max"),
        make_result("lstm", 1, 0.7, data="other", model__pooling="max"),
    ]
    rows = compare_results(results, ["model.cell"], [F1], ("gru",))
    assert {row.values[0]: row.pairs for row in rows} == {"gru": 1, "lstm": 0, "rnn": 1}
    assert math.isnan(rows[1].differences[F1].mean)
    assert find_varying(results, ["model.cell"]) == {"model.pooling": ["max", "mean"]}


def test_several_parameters_at_once() -> None:
    results = [make_result(c, 1, 0.5, model__layers=n) for c in ("rnn", "gru") for n in ("10", "9")]
    rows = compare_results(results, ["model.cell", "model.layers"], [F1], ("gru", "9"))
    assert [row.values for row in rows] == [("gru", "9"), ("gru", "10"), ("rnn", "9"), ("rnn", "10")]
    assert [row.pairs for row in rows] == [1, 1, 1, 1]


def test_of_repeated_results_the_last_counts() -> None:
    results = [make_result("gru", 1, 0.5), make_result("gru", 1, 0.6), make_result("gru", 1, 0.7, data="other")]
    assert [result.metrics[F1] for result in drop_repeats(results)] == [0.6, 0.7]


def test_the_reference_is_what_params_yaml_says_if_there_are_results_of_it() -> None:
    results = make_grid(gru=[0.5], rnn=[0.4])
    assert choose_reference(results, ["model.cell"], {"model.cell": "rnn"}) == ("rnn",)
    assert choose_reference(results, ["model.cell"], {"model.cell": "lstm"}) == ("gru",)


def test_results_on_other_data_are_never_averaged() -> None:
    results = [make_result("gru", seed, 0.5, data__dataset=name) for seed, name in enumerate(("sample", "ag_news"))]
    with pytest.raises(InputError, match=r"gru are of different data \(data.dataset is ag_news and sample\).*--where"):
        compare_results(results, ["model.cell"], [F1], ("gru",))
    rows = compare_results(results, ["data.dataset"], [F1], ("sample",))
    assert [row.runs for row in rows] == [1, 1]


def test_results_on_data_that_has_changed_since_are_dropped() -> None:
    first, second = make_result("gru", 1, 0.5, data="before"), make_result("gru", 2, 0.6, data="after")
    elsewhere = make_result("gru", 3, 0.7, data="before", data__text="title")
    unknown = make_result("gru", 4, 0.8, data="")
    assert drop_outdated([first, elsewhere, second, unknown]) == [elsewhere, second, unknown]


def test_conditions_choose_and_name_what_there_is() -> None:
    results = make_grid(gru=[0.5, 0.6], rnn=[0.4])
    assert len(choose_results(results, {"model.cell": "gru", "train.seed": "1"})) == 1
    with pytest.raises(InputError, match=r"--where model.cell=lstm: no result has it, expected one of gru, rnn"):
        choose_results(results, {"model.cell": "lstm"})
    with pytest.raises(InputError, match=r"model.cel is a parameter of no result: did you mean model.cell\?"):
        choose_results(results, {"model.cel": "gru"})
    with pytest.raises(InputError, match=r"--against lstm: no result has it, expected one of gru, rnn"):
        compare_results(results, ["model.cell"], [F1], ("lstm",))


def test_figures_for_programs_are_whole_and_empty_where_unknown() -> None:
    rows = compare_results(make_grid(gru=[0.5, 0.7], rnn=[0.25]), ["model.cell"], [F1], ("gru",))
    columns, cells = tabulate_figures(rows, ["model.cell"])
    assert columns[:5] == ["model.cell", "runs", "seeds", "pairs", "test/macro_f1 mean"]
    assert dict(zip(columns, cells[1], strict=True)) == {
        "model.cell": "rnn",
        "runs": "1",
        "seeds": "1",
        "pairs": "1",
        "test/macro_f1 mean": "0.25",
        "test/macro_f1 sd": "",
        "test/macro_f1 difference": "-0.25",
        "test/macro_f1 low": "",
        "test/macro_f1 high": "",
    }


def make_baseline(score: float, data: str = "raw", **params: str) -> Result:
    return Result({name.replace("__", "."): value for name, value in params.items()}, {F1: score}, data)


def test_baselines_are_those_of_the_data_preprocessing_and_split_of_the_results() -> None:
    own = {"data__dataset": "sample", "split__seed": "1"}
    results = [make_result(cell, 1, 0.5, **own, tokenize__level="word") for cell in ("gru", "rnn")]
    fitting = make_baseline(0.8, **own)
    others = [
        make_baseline(0.7, **own),  # older
        make_baseline(0.7, **own | {"split__seed": "2"}),
        make_baseline(0.7, data="before", **own),
        make_baseline(0.7, data__dataset="sample"),  # older than the parameter split.seed
        make_baseline(0.7, **own, preprocess__stemming="porter"),
    ]
    assert choose_baselines([*others, fitting], results) == [fitting]
    assert choose_baselines([make_baseline(0.8, data="", **own)], results)  # made by hand
    assert choose_baselines(others[1:], results) == choose_baselines([], results) == []


def test_baselines_are_a_row_and_those_of_other_data_are_never_averaged() -> None:
    first, second = (
        make_baseline(score, data__dataset="sample", split__seed=seed) for score, seed in ((0.5, "1"), (0.7, "2"))
    )
    (row,) = summarize_baselines([first, second], ["model.cell"], [F1, "parameters"])
    assert (row.values, row.runs, row.seeds, row.differences) == (("baseline",), 2, 2, {})
    assert row.summaries[F1].mean == pytest.approx(0.6)
    assert math.isnan(row.summaries["parameters"].mean)
    other = make_baseline(0.9, data__dataset="ag_news", split__seed="1")
    rows = summarize_baselines([first, second, other], ["model.cell"], [F1])
    assert [(row.values, row.runs) for row in rows] == [(("baseline, ag_news",), 1), (("baseline, sample",), 2)]
    rows = summarize_baselines([first, second], ["split.seed", "model.cell"], [F1])
    assert [row.values for row in rows] == [("baseline, 1", ""), ("baseline, 2", "")]
    assert summarize_baselines([], ["model.cell"], [F1]) == []
