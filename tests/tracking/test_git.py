"""Queries to Git, including those that it cannot answer."""

import subprocess
from pathlib import Path

import pytest

from histories import begin_history
from unroll.tracking.git import ask_git, read_changes, read_files


def test_what_git_knows_and_what_it_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert ask_git("rev-parse", "HEAD") == ""  # no repository
    ask_git("init", "--quiet", check=True)
    assert ask_git("rev-parse", "--show-prefix") == "\n"
    assert ask_git("rev-parse", "HEAD") == ""  # no commit: Git prints HEAD nevertheless
    with pytest.raises(subprocess.CalledProcessError):
        ask_git("rev-parse", "HEAD", check=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_git("status") == ""  # no Git


def test_the_folders_repository_is_asked_whatever_variables_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (begin_history(tmp_path / name) for name in ("one", "other"))
    head = one.commit("one", {"file": "one"})
    other.commit("other", {"file": "other"})
    variables = {"GIT_DIR": ".git", "GIT_WORK_TREE": "", "GIT_COMMON_DIR": ".git", "GIT_INDEX_FILE": ".git/index"}
    for name, path in (variables | {"GIT_OBJECT_DIRECTORY": ".git/objects"}).items():
        monkeypatch.setenv(name, str(other.path / path))
    monkeypatch.chdir(one.path)
    assert ask_git("rev-parse", "HEAD").strip() == head
    assert list(read_files(["HEAD:file"])) == [b"one"]
    one.write({"file": "two"})
    assert read_changes([], [], 1000).endswith(
        b"-one\n\\ No newline at end of file\n+two\n\\ No newline at end of file\n"
    )
