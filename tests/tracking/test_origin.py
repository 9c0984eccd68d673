"""What the tags of a run say about its code, data and experiment; with real Git."""

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from unroll.tracking.origin import describe_experiment, describe_origin, read_data_hashes
from workspaces import make_environment

LOCK = {
    "stages": {
        "split": {"outs": [{"path": "data/splits", "md5": "a.dir"}, {"path": "metrics/data.json", "md5": "b"}]},
        "tokenize": {"outs": [{"path": "data/tokens", "md5": "c.dir"}]},
        "show": {"cmd": "true"},
    }
}


def git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, env=make_environment(), check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a repository of one commit."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_STAGE", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    git("init", "--quiet")
    (tmp_path / "metrics").mkdir()
    for name in ("params.yaml", "dvc.lock", "metrics/test.json"):
        (tmp_path / name).write_text("first\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    return tmp_path


def test_the_commit_and_what_was_changed_since(repository: Path) -> None:
    tags = describe_origin()
    assert (tags["mlflow.source.git.commit"], tags["git.dirty"]) == (git("rev-parse", "HEAD"), "false")
    assert "git.changed" not in tags
    for name in ("dvc.lock", "metrics/test.json"):  # what stages write while they run
        (repository / name).write_text("second\n")
    assert describe_origin()["git.dirty"] == "false"
    (repository / "params.yaml").write_text("second\n")
    (repository / "new.py").touch()
    tags = describe_origin()
    assert (tags["git.dirty"], tags["git.changed"]) == ("true", "params.yaml, new.py")


def test_without_git_nothing_is_said_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not any(name.startswith(("git.", "mlflow.source.git")) for name in describe_origin())


def test_the_data_are_those_of_the_lock_file_where_dvc_runs_the_stage(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    YAML().dump(LOCK, repository / "dvc.lock")
    assert not any(name.startswith("dvc.") for name in describe_origin())  # by hand, it may be out of date
    monkeypatch.setenv("DVC_STAGE", "train")
    data = {name: value for name, value in describe_origin().items() if name.startswith("dvc.")}
    assert data == {"dvc.md5.data/splits": "a.dir", "dvc.md5.data/tokens": "c.dir"}
    assert read_data_hashes(Path("dvc.lock"), ["split", "later"]) == {"dvc.md5.data/splits": "a.dir"}
    assert read_data_hashes(Path("none.lock"), []) == {}


def test_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "1234")
    assert describe_experiment() == {}
    monkeypatch.setenv("DVC_EXP_NAME", "bold")
    assert describe_experiment() == {"dvc.experiments": "bold", "dvc.baseline": "1234"}
    monkeypatch.delenv("DVC_EXP_BASELINE_REV")
    assert describe_experiment() == {"dvc.experiments": "bold", "dvc.baseline": ""}
