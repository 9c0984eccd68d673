"""Several DVC commands at once in one repository."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from workspaces import Workspace, list_networks, make_environment

pytestmark = pytest.mark.slow
COUNT = 8  # of experiments at once
WAIT = ("dvc", "--wait-for-lock")
# DVC's own words for what it refuses to do at the same time.
REFUSALS = ("Unable to acquire lock", "is busy, it is being blocked by")


def start(workspace: Workspace, *command: str, output: Path) -> subprocess.Popen[str]:
    with output.open("w") as file:
        return subprocess.Popen(
            command,
            cwd=workspace.path,
            env=make_environment() | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )


def read_scores(workspace: Workspace) -> dict[str, float]:
    """Return macro-F1 by the names of DVC's experiments."""
    shown = json.loads(workspace.run("dvc", "exp", "show", "--json").stdout)
    experiments = [experiment for commit in shown for experiment in commit["experiments"] or []]
    return {
        experiment["name"]: experiment["revs"][0]["data"]["metrics"]["metrics/test.json"]["data"]["macro_f1"]
        for experiment in experiments
    }


@pytest.mark.exhaustive
def test_experiments_at_once_finish_and_none_is_lost(quick_workspace: Workspace, tmp_path: Path) -> None:
    """They compete for DVC's lock, and for a tracking database that does not exist yet."""
    quick_workspace.forget_runs()
    quick_workspace.change("enabled: false", "enabled: true")
    quick_workspace.change("hidden_size: 64", "hidden_size: 8")
    quick_workspace.commit()
    seeds = {f"run-{seed}": seed for seed in range(1, COUNT + 1)}
    experiments = {
        name: start(
            quick_workspace,
            *(*WAIT, "exp", "run", "--temp", "--name", name, "-S", f"train.seed={seed}"),
            output=tmp_path / name,
        )
        for name, seed in seeds.items()
    }
    codes = {name: process.wait() for name, process in experiments.items()}
    assert codes == dict.fromkeys(seeds, 0), "".join((tmp_path / name).read_text() for name in seeds)
    scores = read_scores(quick_workspace)
    assert set(scores) == set(seeds)
    runs = list_networks(MlflowClient(f"sqlite:///{quick_workspace.path / 'mlflow.db'}").search_runs(["1"]))
    assert len(runs) == COUNT
    assert {run.info.run_name: run.info.status for run in runs} == dict.fromkeys(seeds, "FINISHED")
    assert {run.info.run_name: int(run.data.params["train.seed"]) for run in runs} == seeds
    assert {run.info.run_name: run.data.metrics["test/macro_f1"] for run in runs} == scores
    assert len({run.data.tags["model_md5"] for run in runs}) == COUNT
    assert "mismatch" not in quick_workspace.run("unroll", "runs").stdout
    assert quick_workspace.run("git", "status", "--porcelain").stdout == ""
    left = [path for path in (quick_workspace.path / ".dvc/tmp/exps/standalone").glob("tmp*") if any(path.iterdir())]
    assert left == []


def test_a_second_repro_is_refused_in_dvcs_words_and_harms_nothing(quick_workspace: Workspace, tmp_path: Path) -> None:
    quick_workspace.change("hidden_size: 64", "hidden_size: 8")
    first = start(quick_workspace, *WAIT, "repro", output=tmp_path / "first")
    while "Running stage 'train'" not in (tmp_path / "first").read_text():
        assert first.poll() is None, (tmp_path / "first").read_text()
        time.sleep(0.05)
    second = quick_workspace.run("dvc", "repro", check=False)
    assert first.wait() == 0, (tmp_path / "first").read_text()
    assert "Traceback" not in second.stdout
    assert second.returncode == 0 or any(text in second.stdout for text in REFUSALS), second.stdout
    assert "Data and pipelines are up to date." in quick_workspace.run("dvc", "status").stdout
    assert quick_workspace.stages_run("dvc", "repro") == []
    assert json.loads((quick_workspace.path / "models/config.json").read_text())["hidden_size"] == 8
    lock = (quick_workspace.path / "dvc.lock").read_text()
    md5 = quick_workspace.run("md5sum", "models/model.safetensors").stdout.split()[0]
    assert md5 in lock and "hidden_size: 8" in lock


def test_an_experiment_that_cannot_wait_says_so_and_leaves_nothing(quick_workspace: Workspace) -> None:
    """Without --wait-for-lock, DVC waits for three seconds."""
    import zc.lockfile  # what DVC holds while it changes its repository

    lock = zc.lockfile.LockFile(os.fspath(quick_workspace.path / ".dvc/tmp/lock"))
    try:
        result = quick_workspace.run("dvc", "exp", "run", "--temp", "--name", "late", check=False)
    finally:
        lock.close()
    assert result.returncode != 0
    assert "Unable to acquire lock" in result.stdout and "Traceback" not in result.stdout
    assert "late" not in quick_workspace.run("dvc", "exp", "list", "--name-only").stdout
    assert quick_workspace.run("git", "status", "--porcelain").stdout == ""
