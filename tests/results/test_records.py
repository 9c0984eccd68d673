"""Which branches and DVC experiments belong to the pipeline in the current folder."""

import subprocess
from pathlib import Path

import pytest

from unroll.results.records import list_records
from workspaces import make_environment


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of two pipelines: an experiment in the root, one in the folder, one that has changed nothing."""

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", *arguments], cwd=tmp_path, env=make_environment(), text=True)

    def commit() -> str:
        git("add", "--all")
        git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return git("rev-parse", "HEAD").strip()

    git("init", "--quiet", "--initial-branch=main")
    folders = {"outer": tmp_path, "inner": tmp_path / "pipelines" / "hello"}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "params.yaml").write_text("model: {cell: gru}\n")
        (folder / "dvc.lock").write_text("stages: {}\n")
    start = commit()
    for name in ("outer", "inner", "repeated"):
        if name in folders:
            (folders[name] / "dvc.lock").write_text("stages: {train: {}}\n")
        git("update-ref", f"refs/exps/{start[:2]}/{start[2:]}/{name}", commit())
        git("reset", "--quiet", "--hard", start)
    return tmp_path


@pytest.mark.parametrize(("folder", "own"), [(".", "outer"), ("pipelines/hello", "inner")])
def test_experiments_of_other_folders_are_left_out(
    repository: Path, monkeypatch: pytest.MonkeyPatch, folder: str, own: str
) -> None:
    monkeypatch.chdir(repository / folder)
    assert [record.name for record in list_records()] == ["main", *sorted([own, "repeated"])]
