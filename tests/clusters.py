"""Real Dask clusters on this machine, repositories whose experiments they run, and commands that are followed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from workspaces import Workspace, find_free_port, make_environment

DASK = (sys.executable, "-m", "dask")
HOST = ("--host", "127.0.0.1", "--no-dashboard")

Process = subprocess.Popen[str]


def share(source: Workspace, folder: Path, pipeline: str = ".") -> Workspace:
    """Copy a repository and give it remotes of Git and DVC that have all that it has."""
    workspace = source.copy_to(folder / "clone")
    Workspace(workspace.path / pipeline).run("dvc", "remote", "add", "--default", "store", str(folder / "store"))
    workspace.commit()
    workspace.run("git", "clone", "--quiet", "--bare", ".", str(folder / "remote.git"))
    workspace.run("git", "remote", "add", "origin", str(folder / "remote.git"))
    return workspace


def list_names(workspace: Workspace, *remote: str) -> list[str]:
    return sorted(workspace.run("dvc", "exp", "list", "--name-only", *remote).stdout.split())


@contextmanager
def start(*command: str, **environment: str) -> Iterator[Process]:
    """Run a command in a group of processes that ends with the block."""
    with subprocess.Popen(
        command,
        env=make_environment() | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def start_scheduler(**environment: str) -> Iterator[tuple[str, Process]]:
    """Yield the address of a scheduler, and its process."""
    port = str(find_free_port())
    with start(*DASK, "scheduler", *HOST, "--port", port, **environment) as process:
        yield f"tcp://127.0.0.1:{port}", process


def start_worker(address: str, folder: Path, *before: str, **environment: str) -> AbstractContextManager[Process]:
    """Start a worker of one thread that has its files in a folder; before: a command that starts it in turn."""
    options = ("--nthreads", "1", "--no-nanny", "--name", folder.name, "--local-directory", str(folder))
    return start(*before, *DASK, "worker", address, *HOST, *options, **({"XDG_CACHE_HOME": str(folder)} | environment))


@contextmanager
def start_cluster(folder: Path, workers: int, **environment: str) -> Iterator[tuple[str, Process]]:
    """Yield the address and the process of a scheduler that has so many workers."""
    from distributed import Client

    with start_scheduler(**environment) as (address, process), ExitStack() as stack:
        for number in range(workers):
            stack.enter_context(start_worker(address, folder / f"worker{number}", **environment))
        with Client(address, timeout="60s", set_as_default=False) as client:
            if workers:
                client.wait_for_workers(workers, timeout=60)
        yield address, process


def read_until(process: Process, pattern: str) -> str:
    """Return the first line of the process that matches."""
    seen = []
    for line in process.stdout or ():
        seen.append(line)
        if re.search(pattern, line):
            return line
    pytest.fail(f"expected a line that matches {pattern!r}, got {''.join(seen)}")
