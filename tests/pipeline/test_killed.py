"""A pipeline that is killed, wherever it is, comes to the same bytes when it is run again."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from workspaces import STAGES, Workspace, make_environment, set_params

pytestmark = pytest.mark.slow
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGINT]


def start(workspace: Workspace, *command: str) -> subprocess.Popen[str]:
    """Start a command as a terminal would: as a group of its own, which Ctrl-C reaches."""
    return subprocess.Popen(
        command,
        cwd=workspace.path,
        env=make_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a background shell ignores
    )


def measure_stages(workspace: Workspace) -> dict[str, float]:
    """Run the pipeline; return how many seconds each stage took."""
    process = start(workspace, "dvc", "repro")
    begun = {}
    for line in process.stdout:
        if line.startswith("Running stage"):
            begun[line.split("'")[1]] = time.monotonic()
    assert process.wait() == 0
    ends = [*list(begun.values())[1:], time.monotonic()]
    return {stage: end - begin for (stage, begin), end in zip(begun.items(), ends, strict=True)}


def kill_in(workspace: Workspace, stage: str, seconds: float, number: signal.Signals) -> bool:
    """Run the stage; kill it so many seconds after it began. Return whether it was still running then."""
    process = start(workspace, "dvc", "repro", "--force", "--single-item", stage)
    for line in process.stdout:
        if line.startswith(f"Running stage '{stage}'"):
            break
    killed = False
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
        killed = True
    process.stdout.read()  # until all of them are gone
    code = process.wait()
    assert killed or code == 0
    mend_locks(workspace)
    return code != 0


def mend_locks(workspace: Workspace) -> None:
    """Do what docs/troubleshooting.md says for when DVC was killed while it wrote its own locks."""
    locks = workspace.path / ".dvc" / "tmp" / "rwlock"
    try:
        json.loads(locks.read_text())
    except json.JSONDecodeError:
        print(f"{locks.name} was left as {locks.read_text()!r}")
        locks.unlink()


def mend_lock_file(workspace: Workspace, before: bytes) -> None:
    """Restore dvc.lock as Git would, where DVC was killed while it wrote that (docs/troubleshooting.md)."""
    result = workspace.run("dvc", "status", check=False)
    if result.returncode:
        assert "'./dvc.lock' " in result.stdout, result.stdout
        print("dvc.lock was left incomplete")
        (workspace.path / "dvc.lock").write_bytes(before)


def read_lock(workspace: Workspace) -> dict[str, Any]:
    """Return what dvc.lock says; DVC puts stages in the order in which they were run last."""
    return YAML(typ="safe").load(workspace.path / "dvc.lock")


def list_files(workspace: Workspace) -> list[str]:
    folders = ("data", "models", "metrics")
    found = [path for folder in folders for path in (workspace.path / folder).rglob("*")]
    return sorted(str(path.relative_to(workspace.path)) for path in found)


EVERY_STAGE = [pytest.param(STAGES, kills, marks=pytest.mark.exhaustive) for kills in (1, 3)]


@pytest.mark.parametrize(("stages", "kills"), [(STAGES[-2:], 1), *EVERY_STAGE])
def test_killed_anywhere(stages: list[str], kills: int, quick: Workspace, tmp_path: Path) -> None:
    disturbed = quick.copy_to(tmp_path / "disturbed")
    if stages == STAGES:
        with (disturbed.path / "data" / "sample" / "headlines.csv").open("a") as file:
            file.write("Glassworkers of Tarnby strike for warmer halls,Business\n")
    set_params(disturbed, "train", epochs=5)
    undisturbed = disturbed.copy_to(tmp_path / "undisturbed")
    seconds = measure_stages(undisturbed)
    assert list(seconds) == stages

    moments = random.Random(kills)
    killed, tried = dict.fromkeys(stages, 0), 0
    for stage in stages:
        while killed[stage] < kills:
            lock = (disturbed.path / "dvc.lock").read_bytes()
            tried += 1
            assert tried <= 5 * kills * len(stages), "the stages end before they are killed"
            number = SIGNALS[tried % len(SIGNALS)]
            killed[stage] += kill_in(disturbed, stage, moments.uniform(0, 0.9) * seconds[stage], number)
            mend_lock_file(disturbed, lock)
        disturbed.run("dvc", "repro", stage)  # what the next one reads
    disturbed.run("dvc", "repro")
    assert read_lock(disturbed) == read_lock(undisturbed)
    assert disturbed.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"
    assert list_files(disturbed) == list_files(undisturbed)
    status = [copy.run("git", "status", "--porcelain").stdout for copy in (disturbed, undisturbed)]
    assert status[0] == status[1]
    print(f"killed {sum(killed.values())} times")


def test_a_killed_training_goes_on_in_a_run_of_its_own(quick: Workspace, tmp_path: Path) -> None:
    workspace = quick.copy_to(tmp_path / "disturbed")
    set_params(workspace, "train", epochs=6)
    undisturbed = workspace.copy_to(tmp_path / "undisturbed")
    undisturbed.run("dvc", "repro", "--single-item", "train")
    set_params(workspace, "tracking", enabled=True)

    process = start(workspace, "dvc", "repro", "--single-item", "train")
    while process.poll() is None and not list(workspace.path.glob(".dvc/tmp/trainings/[0-9a-f]*.safetensors")):
        pass
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (workspace.path / ".dvc" / "tmp" / "rwlock").write_text("")  # what DVC leaves if it is killed while it writes that
    locked = workspace.run("dvc", "repro", "--single-item", "train", check=False)
    assert "Unable to read RWLock-file '.dvc/tmp/rwlock'" in locked.stdout
    mend_locks(workspace)
    changed = workspace.copy_to(tmp_path / "changed")
    output = workspace.run("dvc", "repro", "--single-item", "train").stdout
    assert "train: goes on after epoch" in output
    assert (workspace.path / "dvc.lock").read_bytes() == (undisturbed.path / "dvc.lock").read_bytes()
    assert not list(workspace.path.glob(".dvc/tmp/trainings/*"))

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("headlines").experiment_id
    finished, killed = client.search_runs([experiment], order_by=["start_time DESC"], max_results=2)
    assert (killed.info.status, finished.info.status) == ("KILLED", "FINISHED")
    assert "the process ended" in killed.data.tags["failure"]
    assert f"after epoch {finished.data.tags['resumed_after_epoch']}," in output
    curve = client.get_metric_history(finished.info.run_id, "curve/train_loss")
    assert [point.step for point in curve] == [1, 2, 3, 4, 5, 6]

    # Two versions of the code, be it the stage's own, are never mixed in one training.
    set_params(changed, "tracking", enabled=False)
    augment = "lambda ids: drop_words(ids, params.train.word_dropout)"
    changed.change(augment, "lambda ids: ids", "src/unroll/stages/train.py")
    assert "goes on after epoch" not in changed.run("dvc", "repro", "--single-item", "train").stdout
