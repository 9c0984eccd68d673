"""A tracking server: a real one, with a database of its own, and artifacts that go through it."""

import csv
import io
import json
from pathlib import Path
from secrets import token_hex

import mlflow
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run

from servers import serve, start_server
from unroll.inference.classifier import load_classifier
from workspaces import Workspace, find_free_port, find_model, list_networks, run_grid

pytestmark = pytest.mark.slow


def post(url: str, texts: list[str]) -> list[dict[str, str | float | None]]:
    """Return what a served model answers, read as strictly as other languages read JSON."""
    answer = requests.post(url, json={"inputs": texts}, timeout=60)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["predictions"]


def test_the_champion_answers_raw_headlines_over_http(reproduced: Workspace, tmp_path: Path) -> None:
    texts = ["Shares fall on profit warning", "Striker scores twice in <b>cup</b> final", "!"]
    port = find_free_port()
    command = ("mlflow", "models", "serve", "--env-manager", "local", "--model-uri", "models:/headlines@champion")
    uri = f"sqlite:///{reproduced.path / 'mlflow.db'}"
    with start_server(tmp_path, *command, "--port", str(port), MLFLOW_TRACKING_URI=uri):
        answers = post(f"http://127.0.0.1:{port}/invocations", texts)
    champion = MlflowClient(tracking_uri=uri, registry_uri=uri).get_model_version_by_alias("headlines", "champion")
    expected = load_classifier(find_model(reproduced, champion)).tabulate(texts)
    assert list(answers[0]) == list(expected.columns)
    assert pd.DataFrame(answers[:2]).equals(expected[:2].astype(dict.fromkeys(expected.columns[1:], float)))
    assert list(answers[2].values()) == ["", None, None, None, None]


@pytest.mark.exhaustive
def test_the_link_holds_over_a_server(reproduced: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue, the cases of docs/tracking.md, the commands and the champion, as with the repository's database."""
    workspace, port = reproduced.copy_to(tmp_path / "repository"), find_free_port()
    workspace.forget_runs()
    uri = f"http://127.0.0.1:{port}"
    client = MlflowClient(tracking_uri=uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def run(*command: str) -> str:
        return workspace.run(*command, MLFLOW_TRACKING_URI=uri).stdout

    def list_runs() -> dict[str, Run]:
        return {run.info.run_name: run for run in list_networks(client.search_runs(["1"]))}

    def read_csv(*command: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(run(*command, "--format", "csv"))))

    with serve(tmp_path, port):
        run_grid(workspace, "-S", "train.seed=1", MLFLOW_TRACKING_URI=uri)
        names = workspace.run("dvc", "exp", "list", "--all-commits", "--name-only").stdout.split()
        runs = list_runs()
        assert (len(names), sorted(runs)) == (3, sorted(names))
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        best = max(runs.values(), key=lambda run: run.data.metrics["best/val_macro_f1"])
        champion = client.get_model_version_by_alias("headlines", "champion")
        assert champion.tags["cell"] == "linear"  # better than networks of two epochs
        compare = ("unroll", "compare", "--where", "train.epochs=2", "--against", "gru")
        assert read_csv(*compare, "--from", "mlflow") == read_csv(*compare, "--from", "dvc")

        # An experiment that was done before: the same run, with both names.
        first = best.info.run_name
        changes = tuple(
            argument
            for name in ("model.cell", "train.seed", "train.epochs", "model.hidden_size")
            for argument in ("-S", f"{name}={best.data.params[name]}")
        )
        run("dvc", "exp", "run", "--temp", "--name", "again", *changes)
        assert (len(list_runs()), list_runs()[first].data.tags["dvc.experiments"]) == (3, f"{first}, again")
        # Evaluated in another way: a run of its own, and the old one as it was.
        run("dvc", "exp", "run", "--temp", "--name", "bins", *changes, "-S", "evaluate.calibration_bins=5")
        after = list_runs()
        assert (len(after), after["bins"].data.tags["restored"]) == (4, "true")
        assert after[first].data.metrics == best.data.metrics
        # Trained again by force: a second run of the same model.
        workspace.run("dvc", "exp", "apply", first)
        run("dvc", "repro", "--force", "--single-item", "train")
        run("dvc", "repro", "--force", "--single-item", "evaluate")
        md5s = [run.data.tags["model_md5"] for run in list_networks(client.search_runs(["1"]))]
        assert (len(md5s), md5s.count(best.data.tags["model_md5"])) == (5, 3)

        rows = {row["name"]: row for row in read_csv("unroll", "runs")}
        assert all(rows[name]["state"] == "finished" for name in (*names, "again", "bins"))
        assert all(rows[name]["git_macro_f1"] == rows[name]["mlflow_macro_f1"] for name in names)
        texts = ["Shares fall on profit warning", "Striker scores twice"]
        model = mlflow.pyfunc.load_model("models:/headlines@champion")
        expected = load_classifier(find_model(workspace, champion)).tabulate(texts)
        pd.testing.assert_frame_equal(model.predict(texts), expected)
        assert f"MLflow UI: {uri}/#/experiments/1" in run("unroll", "ui")
    assert not (workspace.path / "mlflow.db").exists()
    assert not (workspace.path / "mlartifacts").exists()
    assert (tmp_path / "artifacts").is_dir()


@pytest.mark.exhaustive
def test_a_server_lost_in_training_costs_nothing(quick_workspace: Workspace, tmp_path: Path) -> None:
    workspace, port = quick_workspace, find_free_port()
    uri = f"http://127.0.0.1:{port}"
    password = token_hex()
    secret = f"http://reader:{password}@127.0.0.1:{port}"
    workspace.change("enabled: false", "enabled: true")
    expected = (workspace.path / "dvc.lock").read_bytes()
    train, line = "src/unroll/stages/recipe.py", "        training = train("
    with serve(tmp_path, port) as group:
        workspace.change(line, f"        import os; os.killpg({group}, 9)\n" + line, file=train)
        result = workspace.run("python", "-m", "unroll.stages.train", MLFLOW_TRACKING_URI=secret, PYTHONPATH="src")
    assert f"warning: MLflow's store http://…@127.0.0.1:{port} was lost" in result.stdout
    assert "the epochs from 1 on, scores and model" in result.stdout
    assert "Traceback" not in result.stdout
    workspace.run("git", "checkout", "--quiet", train)
    assert workspace.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml"]  # nothing half-written
    # What the training left is what it always leaves: no stage has anything to do.
    assert workspace.stages_run("dvc", "repro") == []
    assert (workspace.path / "dvc.lock").read_bytes() == expected

    with serve(tmp_path, port):
        output = workspace.run("python", "-m", "unroll.stages.evaluate", MLFLOW_TRACKING_URI=secret).stdout
        output += workspace.run("unroll", "ui", MLFLOW_TRACKING_URI=secret).stdout
        assert f"MLflow UI: http://…@127.0.0.1:{port}/#/experiments/1" in output
        runs = list_networks(MlflowClient(tracking_uri=uri).search_runs(["1"]))
        lost, whole = sorted(runs, key=lambda run: run.info.start_time)
    assert (lost.info.status, "curve/val_loss" in lost.data.metrics) == ("KILLED", False)
    assert (whole.info.status, whole.data.tags["restored"]) == ("FINISHED", "true")
    assert {"curve/val_loss", "best/val_macro_f1", "test/macro_f1"} <= set(whole.data.metrics)
    # The address's password is in no output, no database, no artifact and no file of the repository.
    assert password not in result.stdout + output
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"server.db", "MLmodel", "dvc.lock"} <= {path.name for path in files}
    assert [path for path in files if password.encode() in path.read_bytes()] == []
