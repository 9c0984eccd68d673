"""The stages before training on several workers: the lock of one process, whatever dies."""

import csv
import json
import os
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

from clusters import start_cluster
from unroll.base.errors import InputError
from unroll.base.parts import WORKERS, open_workers
from workspaces import ROOT, Workspace, set_params

pytestmark = pytest.mark.slow
ROWS = 45_000  # three parts


def write_table(path: Path) -> None:
    """Write rows of which each part has some that are cleaned slowly, and some that other parts have, too."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "more"])
        for number in range(ROWS):
            words = f"größe {number}" if number % 9 == 0 else f"Shares &amp; bonds {number % 40_000}"
            label = "odd" if number % 11 == 0 and number > 40_000 else "ab"[number % 2]
            writer.writerow([words, label, f"Story {number % 30_000} of this" if number % 3 else ""])


def test_the_lock_does_not_depend_on_the_workers(pristine: Workspace, tmp_path: Path) -> None:
    workspace = pristine.copy_to(tmp_path / "repository")
    write_table(workspace.path / "rows.csv")
    data = {"dataset": "csv", "file": "rows.csv", "context_column": "more"}
    set_params(workspace, "data", **data)
    set_params(workspace, "split", method="hash", context_words=2)
    workspace.run("dvc", "repro", "tokenize")
    lock = (workspace.path / "dvc.lock").read_bytes()
    # Of 5,000 rows of the third part, so many stand in the first one, too.
    dropped = json.loads((workspace.path / "metrics/data.json").read_text())["dropped"]
    assert {reason: count for reason, count in dropped.items() if count} == {
        "duplicate": 3536,
        "conflicting_label": 706,
    }
    table = pq.read_table(workspace.path / "data/clean/rows.parquet", columns=["text"])
    assert len(table) == len(set(table["text"].to_pylist())) == ROWS - 3536 - 706
    with start_cluster(tmp_path, 2, PYTHONPATH=str(workspace.path / "src")) as (address, _):
        for workers in ("3", address):
            workspace.run("dvc", "repro", "--force", "tokenize", **{WORKERS: workers})
            assert (workspace.path / "dvc.lock").read_bytes() == lock, workers
        assert workspace.run("dvc", "status", "tokenize").stdout.startswith("Data and pipelines are up to date")


def test_evaluation_in_other_processes_has_the_same_bytes(reproduced: Workspace, tmp_path: Path) -> None:
    workspace = reproduced.copy_to(tmp_path / "repository")
    lock = (workspace.path / "dvc.lock").read_bytes()
    (workspace.path / "metrics/test.json").unlink()
    workspace.run("dvc", "repro", "--force", "--single-item", "evaluate", **{WORKERS: "2"})
    assert (workspace.path / "dvc.lock").read_bytes() == lock


PARTS = """
import os, signal

def die_once(file):
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        return os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)

def take_long(fifo, number):
    if number in (0, 3):  # the first waits for the fourth
        with open(fifo, "r" if number == 0 else "w"):
            pass
    return number
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that two workers have, too; they are the ones that the environment asks for."""
    (tmp_path / "work_on_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    path = os.pathsep.join([str(ROOT / "src"), str(tmp_path)])
    with start_cluster(tmp_path, 2, PYTHONPATH=path) as (address, _):
        monkeypatch.setenv(WORKERS, address)
        yield import_module("work_on_parts")


def test_what_a_dying_worker_did_is_done_by_another(parts: ModuleType, tmp_path: Path) -> None:
    with open_workers() as workers:
        found = list(workers.map(parts.die_once, [tmp_path / "died"] * 9))
    assert len(found) == 9 and len(set(found)) == 1 and os.getpid() not in found


def test_a_slow_worker_keeps_the_other_from_nothing(parts: ModuleType, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with open_workers() as workers:
        assert list(workers.map(partial(parts.take_long, tmp_path / "fifo"), range(9))) == list(range(9))


def test_without_the_scheduler_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_cluster(tmp_path, 1, PYTHONPATH=str(ROOT / "src")) as (address, scheduler):
        monkeypatch.setenv(WORKERS, address)
        with pytest.raises(InputError, match=f"{address}: the Dask cluster is gone"), open_workers() as workers:
            for _ in workers.map(abs, range(99)):
                scheduler.kill()


def test_workers_with_other_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "src"
    (other / "unroll" / "base").mkdir(parents=True)
    for file in ("__init__.py", "base/__init__.py", "base/errors.py", "base/versions.py", "base/parts.py"):
        (other / "unroll" / file).write_bytes((ROOT / "src" / "unroll" / file).read_bytes())
    with start_cluster(tmp_path, 1, PYTHONPATH=str(other)) as (address, _):
        monkeypatch.setenv(WORKERS, address)
        with (
            pytest.raises(InputError, match=" has other code: expected the same commit"),
            open_workers(),
        ):
            pass


def test_a_cluster_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_cluster(tmp_path, 0) as (address, _):
        monkeypatch.setenv(WORKERS, address)
        with pytest.raises(InputError, match="the cluster has no workers"), open_workers():
            pass
