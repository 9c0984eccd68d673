"""What `unroll compare` prints for results and baselines."""

import csv
import io

import pytest

from unroll.base.errors import InputError
from unroll.cli.compare import Question, print_comparison
from unroll.cli.console import Format
from unroll.results.collect import Result, Results

F1 = "test/macro_f1"
OWN = {"data.dataset": "sample", "split.seed": "1"}
QUESTION = Question(["model.cell"], [F1], {}, ())


def make_network(cell: str, seed: int, score: float, over: float | None = None, **metrics: float) -> Result:
    if over is not None:
        ends = {"test/over_baseline_low": over - 0.02, "test/over_baseline_high": over + 0.03}
        metrics |= {"test/over_baseline": over} | ends
    return Result(OWN | {"model.cell": cell, "train.seed": str(seed)}, {F1: score} | metrics, "raw")


NETWORKS = [
    make_network("gru", 1, 0.8, 0.1),
    make_network("gru", 2, 0.82, 0.12),
    make_network("rnn", 1, 0.6, -0.1),
    make_network("rnn", 2, 0.6),  # older than the baseline
]
BASELINE = Result(OWN, {F1: 0.7, "parameters": 12345, "seconds": 2}, "raw")


def test_the_baseline_is_a_line_and_each_group_has_its_difference_to_it(capsys: pytest.CaptureFixture) -> None:
    print_comparison(Results(NETWORKS, [BASELINE]), QUESTION, {}, Format.MARKDOWN)
    means, to_gru, to_baseline = (
        [line for line in part.splitlines() if line.startswith("|")][2:]
        for part in capsys.readouterr().out.split("Difference to ")
    )
    assert means[-1] == "| baseline | 1 | 1 | 0.7000 | 12,345 | 2 |"
    assert [line.split()[1] for line in means] == ["gru", "rnn", "baseline"]
    assert [line.split()[1] for line in to_gru] == ["rnn"]
    assert to_baseline == [
        "| gru | 2 | +0.1100 [+0.0900, +0.1400] |",  # means of differences, low and high ends
        "| rnn | 1 | -0.1000 [-0.1200, -0.0700] |",
    ]


def test_programs_read_the_same_from_one_table(capsys: pytest.CaptureFixture) -> None:
    print_comparison(Results(NETWORKS, [BASELINE]), QUESTION, {}, Format.CSV)
    gru, rnn, baseline = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (gru["test/over_baseline mean"], gru["test/over_baseline_low mean"]) == ("0.11", "0.09")
    assert rnn["test/macro_f1 difference"] == "-0.21"
    assert (baseline["model.cell"], baseline["test/macro_f1 mean"], baseline["pairs"]) == ("baseline", "0.7", "0")
    assert baseline["test/macro_f1 difference"] == baseline["test/over_baseline mean"] == ""


@pytest.mark.parametrize("format", Format)
def test_without_a_baseline_nothing_is_said_of_one(format: Format, capsys: pytest.CaptureFixture) -> None:
    old = [make_network("gru", 1, 0.8), make_network("rnn", 1, 0.6)]
    elsewhere = Result(OWN | {"split.seed": "2"}, {F1: 0.7}, "raw")
    print_comparison(Results(old, [elsewhere]), QUESTION, {}, format)
    output = capsys.readouterr()
    assert "baseline" not in output.out and "gru" in output.out
    assert output.err == ""


def test_results_without_a_metric_are_left_out_and_counted(capsys: pytest.CaptureFixture) -> None:
    again = make_network("rnn", 1, 0.6)  # the same as one before, which has the metric
    question = Question(["model.cell"], [F1, "test/over_baseline"], {}, ())
    print_comparison(Results([*NETWORKS, again], []), question, {}, Format.TABLE)
    assert capsys.readouterr().err == (
        "note: 1 of 4 results are left out, as they lack a metric of test/macro_f1, test/over_baseline\n"
    )
    only_gru = Question(["model.cell"], ["test/over_baseline"], {"model.cell": "gru"}, ())
    print_comparison(Results([*NETWORKS, again], []), only_gru, {}, Format.TABLE)
    assert capsys.readouterr().err == ""


def test_metrics_that_no_result_has_together() -> None:
    found = Results([make_network("gru", 1, 0.8, a=1), make_network("rnn", 1, 0.6, b=2)], [])
    with pytest.raises(InputError, match=r"^no result of 2 has all of a, b: compare by one metric at a time$"):
        print_comparison(found, Question(["model.cell"], ["a", "b"], {}, ()), {}, Format.TABLE)
    with pytest.raises(InputError, match=r"^no result of 1 has a$"):
        print_comparison(found, Question(["model.cell"], ["a"], {"model.cell": "rnn"}, ()), {}, Format.TABLE)
