"""Runs one experiment on a worker's machine, in a clone of its own, by commands of Git and DVC alone.

It is a process of its own (`python -m unroll.cluster.experiment`), which gets a job as a line of JSON and tells in such
lines what it does. It lives as long as its standard input is open: when the worker dies, the experiment dies, too, so
that none runs twice.
"""

import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import psutil

from unroll.cluster.pruning import HISTORY, find_pruned, read_curve
from unroll.results.commands import DVC, Failure, make_environment, run_command


@dataclass(frozen=True)
class Job:
    """An experiment, and where its code and data are.

    targets: stages to run; if there are any, this only prepares experiments, and only DVC's run cache is pushed.
    commit, folder: what to check out, and the pipeline's folder in it; git_url: where from; storage, storage_url: DVC's
    remote; environment: variables that its commands get; objective, limits: an experiment that these show to be pruned
    (`find_pruned`) is not pushed.
    """

    name: str
    overrides: tuple[str, ...]
    targets: tuple[str, ...]
    commit: str
    folder: str
    git_url: str
    storage: str
    storage_url: str
    environment: dict[str, str] = field(default_factory=dict)
    objective: str = ""
    limits: tuple[float, ...] = ()


def main() -> None:
    """Run the job on standard input's first line; end with the process that holds the other end."""
    job = Job(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        run_experiment(job, lambda state: print(json.dumps({"state": state}), flush=True))
    except (Failure, OSError) as error:
        print(json.dumps({"failure": str(error)}), flush=True)


def run_experiment(job: Job, tell: Callable[[str], None]) -> None:
    """Clone, fetch what DVC has, run, push: data first, so that whoever sees the experiment can have its data.

    Raises:
        Failure: a command failed.
    """
    with open_clone(job) as folder:
        environment = make_environment() | job.environment

        def run(*command: str) -> None:
            run_command((*DVC, *command), folder, environment, tell)

        tell("fetches data")
        fetch_data(folder, environment)
        options = [part for override in job.overrides for part in ("--set-param", override)]
        run("exp", "run", "--name", job.name, *options, *job.targets)
        if job.limits and not job.targets:
            curve = read_curve((folder / HISTORY).read_text(encoding="utf-8"), job.objective)
            if epoch := find_pruned(curve, job.limits, job.objective):
                raise Failure(f"pruned at epoch {epoch}")
        tell("sends data")
        run("push", "--quiet", "--run-cache")
        if not job.targets:
            run("exp", "push", "--quiet", "--no-cache", "origin", job.name)


def fetch_data(folder: Path, environment: dict[str, str]) -> None:
    """Fetch what DVC's remote has of the commit's data and of earlier runs.

    Raises:
        Failure: it cannot be reached.
    """
    run_command((*DVC, "pull", "--quiet", "--run-cache", "--allow-missing"), folder, environment)


@contextmanager
def open_clone(job: Job) -> Iterator[Path]:
    """Make a clone for the job, and delete it afterwards; yield the pipeline's folder in it.

    Clones are in a folder that this machine's jobs share, with one DVC cache. Those of dead processes are removed.
    """
    shared = find_shared_folder()
    _remove_dead_clones(shared)
    clone = Path(mkdtemp(prefix=f"clone-{os.getpid()}-", dir=shared))
    try:
        folder, environment = clone / job.folder, make_environment() | job.environment
        run_command(("git", "clone", "--quiet", "--no-checkout", job.git_url, str(clone)), shared, environment)
        run_command(("git", "checkout", "--quiet", "--detach", job.commit), clone, environment)
        run_command((*DVC, "cache", "dir", "--local", str(shared / "cache")), folder, environment)
        settings = ("remote", "modify", "--local", job.storage, "url", job.storage_url)
        run_command((*DVC, *settings), folder, environment)
        yield folder
    finally:
        shutil.rmtree(clone, ignore_errors=True)


def find_shared_folder() -> Path:
    """Return the folder that all jobs on this machine share; it may be on a disk that machines share."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "unroll" / socket.gethostname()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _remove_dead_clones(shared: Path) -> None:
    for clone in shared.glob("clone-*"):
        if not psutil.pid_exists(int(clone.name.split("-")[1])):
            shutil.rmtree(clone, ignore_errors=True)


def _die_with_parent() -> None:
    while os.read(0, 1024):  # nothing, once the other end is closed; `sys.stdin` must not be in use as Python ends
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
