"""Queries to Git, including those that it cannot answer."""

import subprocess
from pathlib import Path

import pytest

from unroll.tracking.git import ask_git


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
