"""Classes in a user's own data may have any name that is safe for a terminal; those in models/ any name at all."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from mlflow.utils.validation import _validate_metric_name

from builders import write_models
from unroll.cli.model import predict
from unroll.cli.results import metrics
from unroll.evaluation.plots import draw_confusions, draw_precision_recall
from unroll.models.files import TEXT_PARTS, write_checksums
from unroll.stages.evaluate import read_baseline
from unroll.tracking.names import name_scores

NAMES = ["0", "1", "$x_$", "$\\frac$", "[/red]", "..", "w/", "/", "a//b", "=1+1", "nan", "NA", "True", "", 'a,"b']


@pytest.mark.parametrize("names", [["0", "1"], ["1.0", "nan"], NAMES])
def test_the_baselines_classes_are_read_as_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = sorted(names)
    (tmp_path / "metrics").mkdir()
    with (tmp_path / "metrics" / "baseline.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["actual", "predicted"], *([name, names[0]] for name in names)])
    assert read_baseline(names, np.arange(len(names))).tolist() == [0] * len(names)


def test_mlflow_takes_the_name_of_any_class() -> None:
    scores = {name: {"f1": 0.5} for name in [*NAMES, "\x1b[2J", "é/日本", "."]}
    for name in name_scores({}, {"classes": scores}):
        _validate_metric_name(name)


def test_a_dollar_sign_in_a_picture_is_one(tmp_path: Path) -> None:
    count = len(NAMES)
    draw_confusions(np.eye(count, dtype=np.int64), NAMES).savefig(tmp_path / "a.png")
    labels = np.repeat(np.arange(count), 3)
    draw_precision_recall(labels, np.eye(count)[labels], NAMES).savefig(tmp_path / "b.png")


def test_metrics_prints_what_a_class_is_called_and_nothing_that_a_terminal_obeys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3}
    names = ["[/red]", "\x1b[2J", "[bold]x"]
    (tmp_path / "test.json").write_text('{"accuracy": 0.5, "log_loss": 0.5, "calibration_error": 0.5}')
    table = {"classes": dict.fromkeys(names, row), "macro": row, "weighted": row}
    (tmp_path / "per_class.json").write_text(json.dumps(table))
    metrics(tmp_path)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert all(name in printed for name in ("[/red]", r"\x1b[2J", "[bold]x"))


def test_predict_prints_nothing_that_a_terminal_obeys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = write_models(tmp_path / "models")
    (models / "labels.json").write_text(json.dumps(["\x1b[2JBusiness", "\ud800Sp\u202eorts\n"]))
    write_checksums(models, TEXT_PARTS)
    predict(["Shares fall"], models=models)
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[1:]} == {r"\x1b[2JBusiness", r"\ud800Sp\u202eorts\n"}
    predict(["Shares \udc80 fall"], models=models)  # a byte of the command line that is not UTF-8
    assert capsys.readouterr().out.splitlines() == lines
