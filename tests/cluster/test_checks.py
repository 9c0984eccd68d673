"""What is refused before experiments go to other machines."""

import subprocess
from pathlib import Path

import pytest

from unroll.base.errors import InputError
from unroll.cluster.checks import (
    asks_for_portable,
    check_workers,
    choose_tracking,
    find_source,
    list_packages,
    read_experiments,
)
from unroll.cluster.grid import Experiment, plan_experiments
from unroll.params.texts import read_text_params
from workspaces import ROOT

PARAMS = read_text_params(ROOT / "params.yaml")


def git(folder: Path, *command: str) -> None:
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *author, *command], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a committed pipeline, whose remotes of Git and DVC are folders."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "--quiet", "remote.git", "clone")
    folder = tmp_path / "clone"
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n")
    (folder / "params.yaml").write_text("")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a pipeline")
    git(folder, "push", "--quiet", "--set-upstream", "origin", "HEAD:main")
    monkeypatch.chdir(folder)
    return folder


def test_workers_get_absolute_addresses_of_what_is_pushed(clone: Path) -> None:
    source = find_source("origin")
    assert (source.git_url, source.folder) == (str(clone.parent / "remote.git"), "")
    assert (source.storage, source.storage_url) == ("store", str(clone.parent / "store"))
    assert len(source.commit) == 40


def test_what_workers_cannot_get_is_refused(clone: Path) -> None:
    (clone / "params.yaml").write_text("a: 1")
    with pytest.raises(InputError, match=r"params.yaml is not committed: workers get what is in Git"):
        find_source("origin")
    git(clone, "commit", "--quiet", "--all", "--message", "a change")
    with pytest.raises(
        InputError, match="the commit is not on Git's remote 'origin', where workers get it: `git push`"
    ):
        find_source("origin")
    git(clone, "push", "--quiet")
    assert find_source("origin")
    with pytest.raises(InputError, match="Git has no remote 'elsewhere'"):
        find_source("elsewhere")
    git(clone, "config", "remote.origin.url", "https://me:secret@127.0.0.1:9/gone.git")
    with pytest.raises(InputError, match=r"Git's remote https://…@127.0.0.1:9/gone.git cannot be reached"):
        find_source("origin")


def test_without_a_remote_of_dvc_there_is_no_data(clone: Path) -> None:
    (clone / ".dvc/config").write_text("")
    git(clone, "commit", "--quiet", "--all", "--message", "no remote")
    git(clone, "push", "--quiet")
    with pytest.raises(InputError, match="DVC has no default remote"):
        find_source("origin")


def test_other_machines_need_a_server_of_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert choose_tracking([PARAMS], Path("/r"), is_here=True) == {"MLFLOW_TRACKING_URI": "sqlite:////r/mlflow.db"}
    with pytest.raises(InputError, match="is a file of this machine: expected MLFLOW_TRACKING_URI=http"):
        choose_tracking([PARAMS], Path("/r"), is_here=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert choose_tracking([PARAMS], Path("/r"), is_here=False) == {"MLFLOW_TRACKING_URI": "http://server:5000"}
    off = read_experiments([Experiment("", ("tracking.enabled=false",))], ROOT / "params.yaml")
    assert choose_tracking(off, Path("/r"), is_here=False) == {}  # as the message advises


def describe(**changes: object) -> dict[str, object]:
    return {"packages": list_packages(), "processor": "x", "obstacle": "", "missing": ""} | changes


@pytest.mark.parametrize(
    ("other", "need_portable", "message"),
    [
        ({}, False, ""),
        ({"processor": "y"}, True, ""),
        ({"processor": "y"}, False, r"different processors \(x, y\).*not all experiments ask for portable bytes"),
        ({"processor": "y", "obstacle": "it lacks AVX2"}, True, "different processors.*it lacks AVX2"),
        ({"obstacle": "it lacks AVX2"}, True, ""),
        ({"missing": "no such remote"}, True, "the worker b cannot start an experiment: no such remote"),
        ({"packages": {}}, True, r"the worker b has other packages: python is not installed \(here 3.*torch"),
    ],
)
def test_workers_that_would_compute_something_else_are_refused(
    other: dict[str, object], need_portable: bool, message: str
) -> None:
    workers = {"a": describe(), "b": describe(**other)}
    if not message:
        check_workers(workers, ["torch"], need_portable)
        return
    with pytest.raises(InputError, match=message):
        check_workers(workers, ["torch"], need_portable)


@pytest.mark.parametrize(
    ("overrides", "is_portable"),
    [
        ((), True),
        (("train.portable=false",), False),
        (("train.portable=True", "train.threads=1"), True),
        (("train.threads=2",), False),
        (("train.processes=2",), False),
    ],
)
def test_portable_bytes_are_those_of_one_thread_that_asks_for_them(
    overrides: tuple[str, ...], is_portable: bool
) -> None:
    (params,) = read_experiments([Experiment("", overrides)], ROOT / "params.yaml")
    assert asks_for_portable(params.train) == is_portable


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.cell=grru", "params.yaml: model.cell = 'grru': expected 'rnn', 'gru' or 'lstm'"),
        ("model.cel=gru", "model.cel"),
        ("train.learning_rate=11", "train.learning_rate = 11: expected less than or equal to 10"),
    ],
)
def test_a_wrong_parameter_of_any_experiment_is_told_before_all(
    override: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    read_experiments(plan_experiments([["model.cell=rnn,lstm", "train.seed=3"]], "c0ffee", ""))
    with pytest.raises(InputError, match=message):
        read_experiments(plan_experiments([["model.cell=rnn,lstm"], [override]], "c0ffee", ""))
