"""`dvc exp run`: each way of running, the run that MLflow gets, and mistakes in parameters."""

import csv
import io
import json
from hashlib import sha256
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from workspaces import STAGES, Workspace

pytestmark = pytest.mark.slow
ONE_EPOCH = ("-S", "train.epochs=1", "-S", "model.hidden_size=8", "-S", "pretrain.least_words=0")


def find_runs(workspace: Workspace) -> dict[str, Run]:
    client = MlflowClient(tracking_uri=f"sqlite:///{workspace.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("headlines")
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def show_experiments(workspace: Workspace) -> dict[str, dict[str, str]]:
    table = csv.DictReader(io.StringIO(workspace.run("dvc", "exp", "show", "--csv").stdout))
    return {row["Experiment"]: row for row in table if row["Experiment"]}


def test_an_experiment_in_a_fresh_clone_is_a_run(pristine: Workspace, tmp_path: Path) -> None:
    """The tracking database does not exist yet."""
    workspace = pristine.copy_to(tmp_path / "repository")
    workspace.run("dvc", "exp", "run", "--name", "with-lstm", "-S", "model.cell=lstm", *ONE_EPOCH)
    shown = show_experiments(workspace)["with-lstm"]
    assert (shown["model.cell"], shown["train.epochs"], shown["model.hidden_size"]) == ("lstm", "1", "8")
    run = find_runs(workspace)["with-lstm"]
    assert run.info.status == "FINISHED"
    assert run.data.params["model.cell"] == "lstm"
    assert run.data.metrics["test/macro_f1"] == float(shown["macro_f1"])
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(workspace.path / "mlartifacts")


def test_an_experiment_in_a_temporary_directory_leaves_its_run_in_the_repository(workspace: Workspace) -> None:
    """It also finds a user's own table by its relative path, as Git knows it."""
    workspace.forget_runs()
    rows = [f"good thing number {n},pos\nbad thing number {n},neg\n" for n in range(20)]
    table = workspace.path / "mine.csv"
    table.write_text("headline,topic\n" + "".join(rows) + "good thing number 1,pos\n")
    workspace.run("git", "add", "mine.csv")  # otherwise DVC does not copy it along
    data = ("dataset=csv", "file=mine.csv", "text_column=headline", "label_column=topic")
    changes = [part for value in data for part in ("-S", f"data.{value}")] + ["-S", "model.pooling=mean"]
    command = ("dvc", "exp", "run", "--temp", "--name", "aside", *changes, *ONE_EPOCH)
    assert workspace.stages_run(*command) == STAGES  # other rows concern every one
    run = find_runs(workspace)["aside"]
    assert run.info.status == "FINISHED"
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert (artifacts / "confusion_matrix.png").is_file()
    assert artifacts.is_relative_to(workspace.path)
    assert run.data.params["model.pooling"] == "mean"
    assert "pooling: max" in (workspace.path / "params.yaml").read_text()
    workspace.run("dvc", "exp", "apply", "aside")
    account, scores = (
        json.loads((workspace.path / f"metrics/{name}.json").read_text()) for name in ("data", "per_class")
    )
    assert account["dropped"]["duplicate"] == 1
    assert account["classes"] == {"neg": 20, "pos": 20}
    assert account["sources"]["all"]["sha256"] == sha256(table.read_bytes()).hexdigest()
    assert list(scores["classes"]) == ["neg", "pos"]


def test_a_queued_experiment_runs_the_code_it_was_queued_with(workspace: Workspace) -> None:
    """Not that of an installed package, nor what is in the main checkout by the time it runs."""
    train = "src/unroll/training/report.py"
    workspace.change('"parameters": parameters,', '"parameters": parameters, "marker": 7,', file=train)
    workspace.run("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "model.layers=2", *ONE_EPOCH)
    workspace.change('"marker": 7,', '"marker": 8,', file=train)
    output = workspace.run("dvc", "exp", "run", "--run-all", check=False).stdout
    assert show_experiments(workspace)["queued"]["marker"] == "7", output
    assert find_runs(workspace)["queued"].data.params["model.layers"] == "2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.cell=grru", "model.cell = 'grru': expected 'rnn', 'gru' or 'lstm'"),
        ("+model.heads=8", "model.heads is not a parameter (did you mean head?): expected one of cell, hidden_size"),
    ],
)
def test_a_mistake_stops_the_experiment_with_one_line(workspace: Workspace, change: str, message: str) -> None:
    result = workspace.run("dvc", "exp", "run", "-S", change, check=False)
    assert result.returncode != 0
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in result.stdout
    assert len(show_experiments(workspace)) <= 1  # the workspace or branch itself


@pytest.mark.exhaustive
def test_every_parameter_that_can_be_set_reaches_the_model(workspace: Workspace) -> None:
    changes = {
        "model.bidirectional": "false",
        "model.layers": "2",
        "model.embedding_size": "12",
        "model.hidden_size": "16",
        "model.pooling": "attention",
        "model.dropout": "0.1",
        "train.seed": "7",
        "train.epochs": "2",
        "train.batch_size": "100",
        "train.learning_rate": "1e-2",
        "train.patience": "1",
        "train.clip_norm": "0.5",
        "train.class_weights": "true",
        "train.threads": "2",
        "train.device": "cpu",
        "tokenize.max_tokens": "20",
    }
    arguments = [argument for name, value in changes.items() for argument in ("-S", f"{name}={value}")]
    workspace.run("dvc", "exp", "run", "--name", "all", *arguments)
    config = json.loads((workspace.path / "models/config.json").read_text())
    assert (config["bidirectional"], config["layers"], config["pooling"]) == (False, 2, "attention")
    assert (config["embedding_size"], config["hidden_size"]) == (12, 16)
    logged = find_runs(workspace)["all"].data.params
    assert {name: logged[name].lower() for name in changes} == changes | {"train.learning_rate": "0.01"}
