"""Experiments on real Dask clusters: every one comes back, none twice, whatever dies."""

import csv
import io
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from clusters import Process, list_names, read_until, share, start, start_scheduler, start_worker
from workspaces import Workspace

pytestmark = pytest.mark.slow
SECONDS = 300  # at most, for what takes a few on an idle machine

Start = Callable[..., AbstractContextManager[Process]]


def list_left(folder: Path) -> list[str]:
    """Return what experiments left on the machine that has its caches in `folder`."""
    (host,) = (folder / "unroll").iterdir()
    return sorted(path.name for path in host.iterdir())


GRID = ("-S", "train.epochs=1", "-S", "model.cell=rnn,gru")


@pytest.fixture(scope="module")
def spread(reproduced: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """A repository after a grid of three experiments, of which one must fail; and what that printed."""
    workspace = share(reproduced, tmp_path_factory.mktemp("spread"))
    workspace.forget_runs()
    grids = workspace.path.parent / "grids"
    grids.write_text("train.epochs=1 model.cell=rnn,gru\ntrain.epochs=1 train.device=cuda train.portable=false\n")
    command = ("unroll", "spread", "--workers", "2", "--file", str(grids))
    caches = {"XDG_CACHE_HOME": str(workspace.path.parent), "CUDA_VISIBLE_DEVICES": ""}
    return workspace, workspace.run(*command, check=False, **caches).stdout


def test_all_but_the_failing_one_come_back(spread: tuple[Workspace, str]) -> None:
    workspace, output = spread
    *_, last = output.splitlines()
    assert last.startswith("error: 1 of 3 experiments failed; the first is cuda-1-False-"), output
    assert last.endswith(": train.device = 'cuda': this machine has no CUDA device; expected cpu or auto")
    assert len(list_names(workspace)) == 2
    assert list_names(workspace) == list_names(workspace, "origin")
    assert output.count(": train\n") == 3
    assert sum(line.startswith("data-") for line in output.splitlines()) == 2  # fetched and sent once for all


def test_each_has_its_run_and_the_bytes_of_a_local_one(spread: tuple[Workspace, str]) -> None:
    workspace, _ = spread
    rows = list(csv.DictReader(io.StringIO(workspace.run("unroll", "runs", "--format", "csv").stdout)))
    experiments = {row["name"]: row for row in rows if row["kind"] == "experiment"}
    assert sorted(experiments) == list_names(workspace)
    assert {row["state"] for row in experiments.values()} == {"finished"}
    assert sum(row["kind"] == "baseline" for row in rows) == 1
    (name,) = (name for name, row in experiments.items() if row["cell"] == "rnn")
    workspace.run("dvc", "exp", "run", "--temp", "--name", "here", "-S", "train.epochs=1", "-S", "model.cell=rnn")
    refs = workspace.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    commits = [next(ref for ref in refs if ref.endswith(f"/{end}")) for end in (name, "here")]
    there, here = (workspace.run("git", "show", f"{commit}:dvc.lock").stdout for commit in commits)
    assert "models/model.safetensors" in there and there == here


def test_a_repeated_command_runs_nothing_and_no_clone_is_left(spread: tuple[Workspace, str]) -> None:
    workspace, _ = spread
    names = list_names(workspace)
    output = workspace.run("unroll", "spread", *GRID).stdout
    assert output.splitlines()[0] == "2 experiments, 2 of them on origin already"
    assert list_names(workspace) == names
    assert list_left(workspace.path.parent) == ["cache"]


@pytest.fixture
def hello(quick: Workspace, tmp_path: Path) -> Workspace:
    """The pipeline hello, committed without tracking, of which experiments take seconds; its caches are beside it."""
    workspace = share(quick, tmp_path, "pipelines/hello")
    pipeline = Workspace(workspace.path / "pipelines/hello")
    pipeline.change("enabled: true", "enabled: false")
    workspace.commit()
    workspace.run("git", "push", "--quiet", "origin", "main")
    return pipeline


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, Process, Start]]:
    """A scheduler's address, its process, and a function that starts a worker of it in a folder of that name."""
    with start_scheduler() as (address, process):
        yield address, process, lambda name, *before, **more: start_worker(address, tmp_path / name, *before, **more)


def start_spread(hello: Workspace, address: str) -> AbstractContextManager[Process]:
    command = ("unroll", "spread", "--on", address, "-S", "train.seed=1,2", "-S", "train.patience=30")
    return start("env", "--chdir", str(hello.path), *command)


def find_experiments(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a clone of the machine whose caches are in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(folder / "unroll")):
                found.append(process)
        except psutil.Error:
            pass
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_a_dying_worker_did_is_done_again_elsewhere(
    hello: Workspace, scheduler: tuple[str, Process, Start], tmp_path: Path
) -> None:
    address, _, start_worker = scheduler
    with start_worker("first") as first, start_spread(hello, address) as spread:
        read_until(spread, ": train$")
        assert find_experiments(tmp_path / "first")
        first.kill()  # the worker alone: what it started must end by itself
        wait_for(lambda: not find_experiments(tmp_path / "first"))
        with start_worker("second"):
            read_until(spread, "`dvc exp show` and `unroll runs` list them")
            assert spread.wait() == 0
    assert len(list_names(hello)) == 2
    assert list_names(hello) == list_names(hello, "origin")
    assert list_left(tmp_path / "second") == ["cache"]


@pytest.mark.exhaustive
def test_without_its_scheduler_the_command_ends_and_the_next_does_the_rest(
    hello: Workspace, scheduler: tuple[str, Process, Start], tmp_path: Path
) -> None:
    address, process, start_worker = scheduler
    with start_worker("first"), start_spread(hello, address) as spread:
        done = read_until(spread, ": done$").partition(":")[0]
        process.kill()
        read_until(spread, "^error: 1 of 2 experiments failed; the first is .* does what is missing$")
        assert spread.wait() == 1
    assert list_names(hello) == list_names(hello, "origin") == [done]
    output = hello.run("unroll", "spread", "--workers", "1", "-S", "train.seed=1,2", "-S", "train.patience=30").stdout
    assert output.splitlines()[0] == "2 experiments, 1 of them on origin already"
    assert len(list_names(hello)) == 2


@pytest.mark.exhaustive
def test_a_worker_with_other_packages_is_refused(
    hello: Workspace, scheduler: tuple[str, Process, Start], tmp_path: Path
) -> None:
    address, _, start_worker = scheduler
    old = tmp_path / "old" / "torch-1.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 1.0\n")
    with start_worker("other", PYTHONPATH=str(old.parent)), start_spread(hello, address) as spread:
        read_until(spread, r"^error: the worker .* has other packages: torch 1.0 \(here 2.13.0\)$")
        assert spread.wait() == 1
    assert list_names(hello, "origin") == []


@pytest.mark.exhaustive
def test_a_full_disk_is_told_before_anything_starts(
    hello: Workspace, scheduler: tuple[str, Process, Start], tmp_path: Path
) -> None:
    if subprocess.run(["unshare", "--mount", "--map-root-user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no mounts of one's own")
    address, _, start_worker = scheduler
    (tmp_path / "full").mkdir()
    mount = f'mount -t tmpfs -o size=1m tmpfs {tmp_path / "full"} && exec "$@"'
    with (
        start_worker("full", "unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh"),
        start_spread(hello, address) as spread,
    ):
        read_until(spread, "^error: .*No space left on device")
        assert spread.wait() == 1
    assert list_names(hello, "origin") == []
