"""Full disks, read-only folders, damaged caches, locked databases, wrong clocks, files edited by hand."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from workspaces import Workspace, make_environment

pytestmark = pytest.mark.slow
# An output of each stage, and a number of bytes too small for it.
TOO_LARGE = {
    "download": "data/raw/all.csv",
    "preprocess": "data/clean/rows.parquet",
    "split": "data/splits/train.parquet",
    "tokenize": "data/tokens/train",
    "pretrain": "data/vectors.npy",
    "baseline": "models/linear/model.safetensors",
    "train": "models/model.safetensors",
    "evaluate": "metrics/plots/predictions.csv",
}
LIMIT = 3000
THE_SAME_WAY = ("download", "split", "baseline")  # write with the same functions as other stages


def run_stage(workspace: Workspace, stage: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return workspace.run("python", "-m", f"unroll.stages.{stage}", check=False, PYTHONPATH="src", **environment)


def run_mounted(workspace: Workspace, mount: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a mount that only it sees, and that is gone when the command ends."""
    if subprocess.run(["unshare", "--mount", "--map-root-user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no mounts of one's own")
    script = f'{mount} && exec "$@"'
    return workspace.run("unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", *command, check=False)


def read_files(workspace: Workspace) -> dict[str, bytes]:
    """Return everything that stages write, left-over temporary files included."""
    folders = [workspace.path / name for name in ("data", "models", "metrics")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(workspace.path)): path.read_bytes() for path in files}


def damage_cache(workspace: Workspace, output: str) -> Path:
    """Change one bit of an output in DVC's cache, and remove it from the workspace."""
    md5 = workspace.run("md5sum", output).stdout.split()[0]
    entry = workspace.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    content, mode = bytearray(entry.read_bytes()), entry.stat().st_mode
    content[len(content) // 2] ^= 1
    entry.chmod(0o644)
    entry.write_bytes(content)
    entry.chmod(mode)
    (workspace.path / output).unlink()
    return entry


def is_up_to_date(workspace: Workspace) -> bool:
    return "Data and pipelines are up to date." in workspace.run("dvc", "status").stdout


@pytest.mark.parametrize(
    "stage",
    [pytest.param(name, marks=pytest.mark.exhaustive if name in THE_SAME_WAY else ()) for name in TOO_LARGE],
)
def test_a_stage_without_room_names_the_file_and_leaves_what_was_there(quick_workspace: Workspace, stage: str) -> None:
    """The disk is full for files of more than LIMIT bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))

    before = read_files(quick_workspace)
    result = subprocess.run(
        ["python", "-m", f"unroll.stages.{stage}"],
        cwd=quick_workspace.path,
        env=make_environment() | {"PYTHONPATH": "src"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    *warnings, line = result.stderr.splitlines()
    assert line.startswith(f"error: {TOO_LARGE[stage]}") and line.endswith(" cannot be written: File too large")
    assert [warning.endswith("; if this training is interrupted, it begins anew") for warning in warnings] == (
        [True] if stage == "train" else []
    )
    assert read_files(quick_workspace) == before


def test_a_folder_that_takes_nothing(quick_workspace: Workspace) -> None:
    before = read_files(quick_workspace)
    mount = "mount --bind data/splits data/splits && mount -o remount,bind,ro data/splits"
    result = run_mounted(quick_workspace, mount, "env", "PYTHONPATH=src", "python", "-m", "unroll.stages.split")
    assert (result.returncode, result.stdout) == (
        1,
        "error: data/splits/train.parquet cannot be written: Read-only file system\n",
    )
    assert read_files(quick_workspace) == before


def test_a_full_disk_under_predictions_and_under_dvcs_cache(quick_workspace: Workspace) -> None:
    shutil.copy(quick_workspace.path / "data/sample/headlines.csv", quick_workspace.path / "in.csv")
    (quick_workspace.path / "out").mkdir()
    predict = ("unroll", "predict", "--input", "in.csv", "--output", "out/out.csv")
    result = run_mounted(quick_workspace, "mount -t tmpfs -o size=64k tmpfs out", *predict)
    assert (result.returncode, result.stdout) == (1, "error: out/out.csv cannot be written: No space left on device\n")
    quick_workspace.change("max_tokens: 64", "max_tokens: 6")
    mount = "mount -t tmpfs -o size=16k tmpfs .dvc/cache/files/md5"
    result = run_mounted(quick_workspace, mount, "dvc", "repro", "tokenize")
    assert result.returncode != 0
    assert "No space left on device" in result.stdout and "Traceback" not in result.stdout
    # With space again, nothing from that attempt is taken for a complete file.
    quick_workspace.run("dvc", "repro", "tokenize")
    assert quick_workspace.stages_run("dvc", "repro", "tokenize") == []
    assert "none damaged" in quick_workspace.run("unroll", "check").stdout


def test_damaged_weights_are_refused_and_mended(quick_workspace: Workspace) -> None:
    """DVC checks them out silently, and would replace those that a training has just made with them."""
    weights = quick_workspace.path / "models/model.safetensors"
    whole = weights.read_bytes()
    entry = damage_cache(quick_workspace, "models/model.safetensors")
    quick_workspace.run("dvc", "checkout")
    assert weights.read_bytes() != whole
    assert is_up_to_date(quick_workspace)
    for result in (
        run_stage(quick_workspace, "evaluate"),
        quick_workspace.run("unroll", "predict", "Shares fall", check=False),
    ):
        assert result.returncode == 1
        assert result.stdout.startswith("error: models/model.safetensors is not the one that checksums.json lists: ")
        assert result.stdout.count("\n") == 1
    result = quick_workspace.run("unroll", "check", check=False)
    assert result.returncode == 1
    *removed, last = result.stdout.splitlines()
    assert removed == [f"removed {entry}", "removed models/model.safetensors"]
    assert last.startswith("error: 1 of ")
    assert quick_workspace.stages_run("dvc", "repro") == ["train"]
    assert weights.read_bytes() == entry.read_bytes() == whole
    assert "none damaged" in quick_workspace.run("unroll", "check").stdout


def test_a_locked_database_is_told(quick_workspace: Workspace) -> None:
    quick_workspace.change("enabled: false", "enabled: true")
    uri = f"sqlite:///{quick_workspace.path / 'mlflow.db'}"
    with closing(sqlite3.connect(quick_workspace.path / "mlflow.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        result = run_stage(quick_workspace, "evaluate")
        database.execute("ROLLBACK")
    assert result.returncode == 1
    expected = (
        f"error: MLflow's store {uri} cannot be used: mend it, or set tracking.enabled=false (database is locked)\n"
    )
    assert result.stdout == expected
    assert is_up_to_date(quick_workspace)  # its metrics are whole, and the same


def test_wrong_times_of_files_change_nothing(quick_workspace: Workspace) -> None:
    """A clock that jumped back leaves files dated in the future, and outputs older than their inputs."""
    for number, name in enumerate(sorted(read_files(quick_workspace))):
        seconds = (0, 4_000_000_000)[number % 2]  # 1970 and 2096
        os.utime(quick_workspace.path / name, (seconds, seconds))
    assert is_up_to_date(quick_workspace)
    assert quick_workspace.stages_run("dvc", "repro") == []


def test_outputs_edited_by_hand_are_noticed_and_made_again(quick_workspace: Workspace) -> None:
    before = read_files(quick_workspace)
    edited = {
        "metrics/test.json": ("0.", "9."),
        "metrics/baseline.json": ("0.", "9."),
        "models/labels.json": ("W", "V"),
    }
    for name, (old, new) in edited.items():
        path = quick_workspace.path / name
        path.write_text(path.read_text().replace(old, new, 1))
    with (quick_workspace.path / "models/model.safetensors").open("r+b") as file:
        file.seek(100_000)
        file.write(b"by hand")
    status = quick_workspace.run("dvc", "status").stdout
    for name in (*edited, "models/model.safetensors"):
        assert f"modified:           {name}" in status
    quick_workspace.run("dvc", "repro")
    assert read_files(quick_workspace) == before
    assert is_up_to_date(quick_workspace)
    assert quick_workspace.run("git", "status", "--porcelain").stdout == ""
