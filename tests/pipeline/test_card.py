"""The model card of a real run: its numbers are those of metrics/, and what it says to run runs."""

import re
import shlex
import subprocess

import pandas as pd
import pytest
from huggingface_hub import ModelCard

from cards import find_strange_numbers, list_rows
from unroll.base.files import read_json
from unroll.evaluation.card import Facts
from unroll.params.texts import read_text_params
from workspaces import Workspace, make_environment, set_params

pytestmark = pytest.mark.slow
METRICS = ("baseline", "baseline_per_class", "data", "per_class", "test", "tokens", "train")


def read_facts(workspace: Workspace) -> Facts:
    """Return what a card has to be made from, as it is in the repository's files."""
    folder = workspace.path
    metrics = {name: read_json(folder / "metrics" / f"{name}.json") for name in METRICS}
    mistakes = pd.read_csv(folder / "metrics" / "mistakes.csv", keep_default_na=False)
    config = read_json(folder / "models" / "config.json")
    return Facts(read_text_params(folder / "params.yaml"), config, metrics, mistakes)


@pytest.mark.parametrize("folder", [".", "pipelines/imdb"])
def test_its_numbers_are_those_of_the_metrics(all_pipelines: Workspace, folder: str) -> None:
    workspace = Workspace(all_pipelines.path / folder)
    facts, text = read_facts(workspace), (workspace.path / "models" / "README.md").read_text()
    assert find_strange_numbers(text, facts) == []
    results = ModelCard.load(workspace.path / "models" / "README.md").data.eval_results
    scores = facts.metrics["test"]
    assert [result.metric_value for result in results] == [scores["accuracy"], scores["macro_f1"]]
    overall = {row[0]: row[1].partition(" ")[0] for row in list_rows(text, "Scores")}
    names = {"macro-F1": "macro_f1", "accuracy": "accuracy", "log loss": "log_loss"}
    names |= {"calibration error": "calibration_error"}
    assert overall == {name: f"{scores[key]:.4f}" for name, key in names.items()}
    classes = {row[0]: row[1] for row in list_rows(text, "Scores by class")}
    assert classes == {
        name: f"{values['f1']:.4f} [{values['f1_low']:.4f}, {values['f1_high']:.4f}]"
        for name, values in facts.metrics["per_class"]["classes"].items()
    }
    splits = {row[0]: int(row[1].replace(",", "")) for row in list_rows(text, "Splits")}
    rows = {name: len(pd.read_parquet(workspace.path / f"data/splits/{name}.parquet")) for name in splits}
    assert splits == rows and sum(rows.values()) == facts.metrics["data"]["rows_out"]
    examples = [row[1:4] for row in list_rows(text, "Hard examples")]
    columns = facts.mistakes.head(5)[["actual", "predicted", "confidence"]]
    assert examples == [[actual, predicted, f"{number:.4f}"] for actual, predicted, number in columns.to_numpy()]


def test_what_it_says_to_run_runs(reproduced: Workspace) -> None:
    text = (reproduced.path / "models" / "README.md").read_text()
    shell, python = (re.search(f"```{name}\n(.*?)```", text, re.DOTALL)[1] for name in ("sh", "python"))
    predict, serve = shell.splitlines()
    told = reproduced.run(*shlex.split(predict)).stdout
    classes = read_json(reproduced.path / "models" / "labels.json")
    assert all(name in told for name in classes)
    printed = reproduced.run("python", "-c", python).stdout
    assert "prediction" in printed and any(name in printed for name in classes)
    command = [*shlex.split(serve), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=reproduced.path, env=make_environment(), **pipes) as process:
        line = process.stdout.readline()
        process.terminate()
    assert line.startswith("unroll serve: ")


def test_ones_own_table_gets_a_card_without_its_texts(quick_workspace: Workspace) -> None:
    """Its classes are hostile, its texts Hindi, and it is on no public list; nothing is tracked."""
    names = ["खेल | a", "<b>`x`</b>\\|", "- [x](y)"]
    rows = [f"{name}{word},{name}" for name in names for word in (f" शब्द {number}" for number in range(30))]
    table = pd.DataFrame([row.rsplit(",", 1) for row in rows], columns=["text", "label"])
    table.loc[::7, "label"] = names[0]  # so that there are mistakes
    table.to_csv(quick_workspace.path / "rows.csv", index=False)
    set_params(quick_workspace, "data", dataset="csv", file="rows.csv")
    quick_workspace.run("dvc", "repro")
    path = quick_workspace.path / "models" / "README.md"
    text, facts = path.read_text(), read_facts(quick_workspace)
    assert ModelCard.load(path).data.eval_results[0].metric_value == facts.metrics["test"]["accuracy"]
    assert ModelCard.load(path).data.eval_results[0].dataset_name == "rows.csv"
    assert len(facts.mistakes) and not any(row in text for row in facts.mistakes["text"])
    assert [len(row) for row in list_rows(text, "Scores by class")] == [7, 7, 7]
    assert quick_workspace.stages_run("dvc", "repro") == []
