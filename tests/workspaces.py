"""Throw-away copies of this repository to run real commands in, and the way to the real rows."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion


ROOT = Path(__file__).parents[1]
QUEUE_GRID = "dvc exp run --queue -S model.cell=rnn,gru,lstm -S train.seed=1,2"
START_QUEUE = "dvc queue start -j 2"
STAGES = ["download", "preprocess", "split", "tokenize", "pretrain", "baseline", "train", "evaluate"]
REAL_DATA = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Workspace:
    """A copy of the repository in a temporary directory."""

    path: Path

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy; with `check`, fail the test with the command's output if the command fails."""
        result = subprocess.run(
            command,
            cwd=self.path,
            env=make_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and result.returncode:
            pytest.fail(f"{' '.join(command)} exited with {result.returncode}:\n{result.stdout}")
        return result

    def stages_run(self, *command: str) -> list[str]:
        """Run a DVC command and return the stages that ran, in order."""
        lines = self.run(*command).stdout.splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

    def change(self, old: str, new: str, file: str = "params.yaml") -> None:
        """Replace a text that stands in the file once."""
        text = (self.path / file).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        (self.path / file).write_text(text.replace(old, new))

    def commit(self) -> None:
        """Commit everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "a change")

    def forget_runs(self) -> None:
        """Remove MLflow's store, as in a repository that has never tracked anything."""
        shutil.rmtree(self.path / "mlartifacts", ignore_errors=True)
        for file in self.path.glob("mlflow.db*"):
            file.unlink()

    def copy_to(self, path: Path) -> "Workspace":
        """Copy everything, DVC's cache included, but not mlartifacts: its runs are kept with those of the first."""
        shutil.copytree(self.path, path, symlinks=True, ignore=shutil.ignore_patterns("mlartifacts"))
        return Workspace(path)


def list_networks(runs: "list[Run]") -> "list[Run]":
    """Return the runs of networks, without those of baselines."""
    return [run for run in runs if run.data.tags.get("model") != "linear"]


def find_model(workspace: Workspace, version: "ModelVersion") -> Path:
    """Return the folder that a version of the registered model was logged from."""
    models = workspace.path / "models"
    return models / "linear" if version.tags["cell"] == "linear" else models


def set_params(workspace: Workspace, section: str, **values: object) -> None:
    """Set parameters of a section of params.yaml."""
    path = workspace.path / "params.yaml"
    yaml = YAML()
    params = yaml.load(path)
    params[section].update(values)
    yaml.dump(params, path)


def fill_in_params(folder: Path) -> dict[str, Any]:
    """Return what dvc.yaml holds, with the parameters in the place of their names, as DVC reads it."""
    yaml = YAML(typ="safe")
    params, text = yaml.load(folder / "params.yaml"), (folder / "dvc.yaml").read_text()
    return yaml.load(re.sub(r"\$\{(\w+)\.(\w+)}", lambda name: params[name[1]][name[2]], text))


def make_environment() -> dict[str, str]:
    """Return this process's environment with this Python's programs first, and free of what others have set in it.

    That is other repositories, and the instructions of libraries, which a stage fixes for itself.
    """
    foreign = ("DVC_", "MLFLOW_", "GIT_", "MAKE", "ATEN_", "MKL_", "NPY_", "OPENBLAS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    author = {
        f"GIT_{role}_{field}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")
    }
    return kept | author | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def find_free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_workspace(path: Path) -> Workspace:
    """Copy the files that Git tracks or would track, as they are now, and commit them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name, follow_symlinks=False)
    workspace = Workspace(path)
    workspace.run("git", "init", "--quiet", "--initial-branch=main")
    workspace.commit()
    return workspace


def build_once(tmp_path_factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Workspace]) -> Workspace:
    """Build a workspace for all processes of a parallel test run: the first to need it builds, the others wait."""
    base = tmp_path_factory.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{path}.lock"):
        return Workspace(path) if path.exists() else build(path)


def run_grid(workspace: Workspace, *changes: str, **environment: str) -> None:
    """Run the README's six experiments, made short, through DVC's queue, and wait for their end."""
    quick = ("-S", "train.epochs=2", "-S", "model.hidden_size=16")
    workspace.run(*QUEUE_GRID.split(), *quick, *changes)
    workspace.run(*START_QUEUE.split(), **environment)
    workspace.run("dvc", "exp", "run", "--run-all", "--jobs", "2", **environment)  # which waits for their end


def find_real_data(name: str) -> Path:
    """Return the path of a real file or folder, or skip the test."""
    path = REAL_DATA / name
    if not path.exists():
        pytest.skip(f"the real data are not there: {path}")
    return path
