"""A tracking server: a real one, with a database of its own, and artifacts that go through it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from conftest import Workspace, find_free_port, make_environment

pytestmark = pytest.mark.slow


@contextmanager
def serve(folder: Path, port: int) -> Iterator[int]:
    """Serve MLflow from `folder`; yield the server's process group."""
    command = ["mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", "sqlite:///server.db", "--artifacts-destination", "artifacts"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    server = subprocess.Popen(command, cwd=folder, env=make_environment(), start_new_session=True, **pipes)
    try:
        assert any("Uvicorn running on" in line for line in server.stdout)
        yield server.pid
    finally:
        stop(server.pid)
        server.wait()


def stop(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def test_runs_and_models_go_through_the_server(
    reproduced: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unroll.inference import load_classifier

    workspace, port = reproduced.copy_to(tmp_path / "repository"), find_free_port()
    workspace.forget_runs()
    uri = f"http://127.0.0.1:{port}"
    with serve(tmp_path, port):
        command = ("dvc", "exp", "run", "--temp", "--name", "afar", "-S", "train.epochs=1")
        workspace.run(*command, MLFLOW_TRACKING_URI=uri)
        (run,) = MlflowClient(tracking_uri=uri).search_runs(["1"])
        assert (run.info.run_name, run.info.status) == ("afar", "FINISHED")
        shown = workspace.run("unroll", "runs", MLFLOW_TRACKING_URI=uri).stdout
        assert [line.split()[-2:] for line in shown.splitlines() if "afar" in line] == [["finished", run.info.run_id]]
        workspace.run("dvc", "exp", "apply", "afar")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        model = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
        texts = ["Shares fall on profit warning", "Striker scores twice"]
        pd.testing.assert_frame_equal(model.predict(texts), load_classifier(workspace.path / "models").tabulate(texts))
        assert f"MLflow UI: {uri}/#/experiments/1" in workspace.run("unroll", "ui", MLFLOW_TRACKING_URI=uri).stdout
    assert not (workspace.path / "mlflow.db").exists()
    assert not (workspace.path / "mlartifacts").exists()
    assert (tmp_path / "artifacts").is_dir()


def test_a_server_lost_in_training_costs_nothing(quick_workspace: Workspace, tmp_path: Path) -> None:
    workspace, port = quick_workspace, find_free_port()
    uri = f"http://127.0.0.1:{port}"
    workspace.change("enabled: false", "enabled: true")
    expected = (workspace.path / "dvc.lock").read_bytes()
    train, line = "src/unroll/stages/train.py", "        started = time.perf_counter()\n"
    with serve(tmp_path, port) as group:
        workspace.change(line, f"        import os; os.killpg({group}, 9)\n" + line, file=train)
        result = workspace.run("python", "-m", "unroll.stages.train", MLFLOW_TRACKING_URI=uri, PYTHONPATH="src")
    assert f"warning: MLflow's store {uri} was lost" in result.stdout
    assert "the epochs from 1 on, scores and model" in result.stdout
    assert "Traceback" not in result.stdout
    workspace.run("git", "checkout", "--quiet", train)
    assert workspace.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml"]  # nothing half-written
    # What the training left is what it always leaves: no stage has anything to do.
    assert workspace.stages_run("dvc", "repro") == []
    assert (workspace.path / "dvc.lock").read_bytes() == expected

    with serve(tmp_path, port):
        workspace.run("python", "-m", "unroll.stages.evaluate", MLFLOW_TRACKING_URI=uri)
        lost, whole = sorted(MlflowClient(tracking_uri=uri).search_runs(["1"]), key=lambda run: run.info.start_time)
    assert (lost.info.status, "curve/val_loss" in lost.data.metrics) == ("KILLED", False)
    assert (whole.info.status, whole.data.tags["restored"]) == ("FINISHED", "true")
    assert {"curve/val_loss", "best/val_macro_f1", "test/macro_f1"} <= set(whole.data.metrics)
