"""The stage train on several processes: it comes to what one comes to, and whatever ends a process ends all."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pandas as pd
import psutil
import pytest

from workspaces import Workspace, find_free_port, make_environment, set_params

pytestmark = pytest.mark.slow
TRAIN = ("python", "-m", "unroll.stages.train")
DEADLINE = 60.0  # seconds, on a busy machine


def start(workspace: Workspace, *command: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command as a terminal would: as a group of its own, which Ctrl-C reaches."""
    return subprocess.Popen(
        command,
        cwd=workspace.path,
        env=make_environment() | {"PYTHONPATH": "src"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a background shell ignores
    )


def train(workspace: Workspace) -> str:
    return workspace.run(*TRAIN, PYTHONPATH="src").stdout


def start_and_wait(workspace: Workspace) -> tuple[subprocess.Popen[str], psutil.Process]:
    """Start the stage; return it and the process that it has started, after the first checkpoint."""
    process = start(workspace, *TRAIN)
    while process.poll() is None and not list(workspace.path.glob(".dvc/tmp/trainings/[0-9a-f]*.safetensors")):
        pass
    assert process.poll() is None, process.stdout.read()
    (other,) = find_others(process)
    return process, other


def find_others(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children() if child.environ().get("RANK") == "1"]


def wait_for_the_end(process: subprocess.Popen[str], other: psutil.Process) -> str:
    """Return what the stage has printed, once it and the other process are gone."""
    output, _ = process.communicate(timeout=DEADLINE)
    other.wait(timeout=DEADLINE)
    return output


def read_outputs(workspace: Workspace) -> dict[str, bytes]:
    names = ("models/model.safetensors", "models/config.json", "metrics/train.json", "metrics/plots/history.csv")
    return {name: (workspace.path / name).read_bytes() for name in names}


def count_runs(workspace: Workspace) -> int:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace.path / 'mlflow.db'}")
    return len(client.search_runs([client.get_experiment_by_name("headlines").experiment_id]))


@pytest.mark.exhaustive
def test_two_processes_come_to_what_one_comes_to(workspace: Workspace) -> None:
    """With the default parameters, dropout and all."""
    alone = pd.read_csv(workspace.path / "metrics" / "plots" / "history.csv")
    score = json.loads((workspace.path / "metrics" / "train.json").read_text())["val_macro_f1"]
    set_params(workspace, "train", processes=2)
    runs = count_runs(workspace)

    assert "as it uses 2 processes (docs/portability.md)" in train(workspace)
    assert count_runs(workspace) == runs + 1
    together = pd.read_csv(workspace.path / "metrics" / "plots" / "history.csv")
    for loss in ("train_loss", "val_loss"):
        assert together[loss][:3].tolist() == pytest.approx(alone[loss][:3].tolist(), abs=1e-5)
    assert json.loads((workspace.path / "metrics" / "train.json").read_text())["val_macro_f1"] == pytest.approx(
        score, abs=0.005
    )


@pytest.mark.exhaustive
def test_if_a_process_is_killed_all_end_and_the_next_try_comes_to_the_same_bytes(
    quick: Workspace, tmp_path: Path
) -> None:
    undisturbed = quick.copy_to(tmp_path / "undisturbed")
    set_params(undisturbed, "train", processes=2, epochs=4)
    disturbed = undisturbed.copy_to(tmp_path / "disturbed")
    train(undisturbed)
    process, other = start_and_wait(disturbed)
    other.kill()
    output = wait_for_the_end(process, other)
    assert process.returncode == 1
    lines = [line for line in output.splitlines() if not line.startswith("train: ")]
    assert lines == ["error: train.processes: the process of rank 1 was killed by SIGKILL"]
    assert "train: goes on after epoch" in train(disturbed)
    assert read_outputs(disturbed) == read_outputs(undisturbed) != read_outputs(quick)


def test_a_process_that_is_killed_while_it_starts_ends_the_stage(quick_workspace: Workspace) -> None:
    set_params(quick_workspace, "train", processes=2)
    process = start(quick_workspace, *TRAIN)
    while not (others := find_others(process)):
        assert process.poll() is None
    others[0].kill()
    output = wait_for_the_end(process, others[0])
    assert process.returncode == 1
    assert output.splitlines()[1:] == ["error: train.processes: the process of rank 1 was killed by SIGKILL"]


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive),
        signal.SIGKILL,
    ],
)
def test_if_the_stage_ends_so_do_the_others(number: signal.Signals, quick_workspace: Workspace) -> None:
    set_params(quick_workspace, "train", processes=2, epochs=30)
    process, other = start_and_wait(quick_workspace)
    if number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    output = wait_for_the_end(process, other)
    assert process.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 128 + signal.SIGINT)
    assert output.splitlines()[1:] == ([] if number is signal.SIGKILL else ["interrupted"])


def test_an_error_of_all_processes_is_told_once(quick_workspace: Workspace) -> None:
    set_params(quick_workspace, "train", processes=2)
    loss = "cross_entropy(outputs.flatten(end_dim=-2), targets.flatten(), weight=weights)"
    quick_workspace.change(f"return {loss}", f"return {loss} * torch.nan", "src/unroll/training/objectives.py")
    result = quick_workspace.run(*TRAIN, PYTHONPATH="src", check=False)
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if not line.startswith("train: other processors")]
    assert line.startswith("error: the loss became nan in epoch 1, step 1")


@pytest.mark.exhaustive
def test_torchrun_starts_a_process_on_each_machine(quick: Workspace, tmp_path: Path) -> None:
    """Two copies stand for two machines."""
    machines = [quick.copy_to(tmp_path / name) for name in ("first", "second", "alone")]
    for machine in machines:
        set_params(machine, "train", processes=2)
    before = read_outputs(machines[1])
    options = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={find_free_port()}")
    started = [
        start(machine, "torchrun", *options, f"--node-rank={number}", "-m", "unroll.stages.train")
        for number, machine in enumerate(machines[:2])
    ]
    outputs = [process.communicate(timeout=2 * DEADLINE)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert "train: gru of" in outputs[0]
    assert "train:" not in outputs[1]
    train(machines[2])
    assert read_outputs(machines[0]) == read_outputs(machines[2]) != before
    assert read_outputs(machines[1]) == before

    machines[0].run("dvc", "commit", "--force", "train")
    assert machines[0].stages_run("dvc", "repro") == ["evaluate"]


def test_torchrun_has_to_start_as_many_as_the_parameters_say(quick_workspace: Workspace) -> None:
    result = quick_workspace.run(*TRAIN, check=False, PYTHONPATH="src", WORLD_SIZE="3", RANK="0")
    assert (result.returncode, result.stdout) == (
        1,
        "error: params.yaml: train.processes = 1 while torchrun has started 3: expected the same number\n",
    )
