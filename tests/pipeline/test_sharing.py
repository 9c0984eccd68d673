"""`dvc push` here and `dvc pull` in a colleague's fresh clone, through a folder and through an S3 endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from servers import S3_KEYS, start_s3
from workspaces import Workspace

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Remote:
    """Where a team keeps its data.

    options: what each member sets locally besides the address; environment: variables that the commands run with.
    """

    url: str
    options: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@pytest.fixture(params=[pytest.param("folder", marks=pytest.mark.exhaustive), "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    if request.param == "folder":
        yield Remote(str(tmp_path / "storage"))
        return
    with start_s3("team") as address:
        yield Remote("s3://team/headlines", {"endpointurl": address}, S3_KEYS)


def set_options(workspace: Workspace, remote: Remote) -> None:
    for name, value in remote.options.items():
        workspace.run("dvc", "remote", "modify", "--local", "storage", name, value)


def list_outputs(workspace: Workspace) -> dict[str, bytes]:
    folders = ("data/tokens", "models", "metrics")
    files = [path for folder in folders for path in (workspace.path / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(workspace.path)): path.read_bytes() for path in files}


def test_a_colleague_pulls_and_has_all(quick_workspace: Workspace, tmp_path: Path, remote: Remote) -> None:
    quick_workspace.run("dvc", "remote", "add", "--default", "storage", remote.url)
    set_options(quick_workspace, remote)
    quick_workspace.run("git", "commit", "--quiet", "--all", "--message", "Set a remote")
    quick_workspace.run("dvc", "push", **remote.environment)
    quick_workspace.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Workspace(tmp_path / "clone")
    set_options(clone, remote)
    clone.run("dvc", "pull", **remote.environment)
    # From here on, no remote is needed.
    assert "Data and pipelines are up to date." in clone.run("dvc", "status").stdout
    assert clone.stages_run("dvc", "repro") == []
    assert list_outputs(clone) == list_outputs(quick_workspace)
    question = ("unroll", "predict", "The final tennis tournament starts next week.")
    assert clone.run(*question).stdout == quick_workspace.run(*question).stdout
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert not (clone.path / "mlflow.db").exists()

    user = Workspace(tmp_path / "elsewhere")
    user.path.mkdir()
    commit = clone.run("git", "rev-parse", "HEAD").stdout.strip()
    get = ("dvc", "artifacts", "get", str(quick_workspace.path), "classifier")
    assert "Unable to find artifact" in user.run(*get, "--rev", commit, check=False).stdout
    user.run("dvc", "get", str(quick_workspace.path), "models", "--rev", commit, "--out", "any")
    names = [path.name for path in (user.path / "any").rglob("*") if path.is_file()]
    assert sorted(names) == sorted(path.name for path in (clone.path / "models").rglob("*") if path.is_file())

    clone.run("gto", "register", "classifier", "--push")  # to the first clone, which is its origin
    user.run(*get, "--rev", "v0.0.1")
    assert user.run(*question).stdout == clone.run(*question).stdout
    assert (user.path / "models/README.md").read_bytes() == (clone.path / "models/README.md").read_bytes()
