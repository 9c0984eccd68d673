"""Signs of life: runs whose process has died are marked as killed, by whichever machine sees them next."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import psutil

from unroll.tracking.sharing import insert, read_clock

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow import MlflowClient

PROCESS = "process"  # the tag that names the process that writes a run
HEARTBEAT = "heartbeat"  # the tag that says when it last gave a sign of life, in seconds since 1970
FAILURE = "failure"  # the tag that says why a run failed
SECONDS_BETWEEN_BEATS = 30
SECONDS_UNTIL_DEAD = 600  # many beats: a server may be away for a while, and the clocks of machines may differ


def describe_process() -> str:
    """Return a text that identifies this process among those of all machines: host, process id, start."""
    return f"{socket.gethostname()} {os.getpid()} {_find_start(psutil.Process()):.0f}"


def describe_life(uri: str) -> dict[str, str]:
    """Return the tags of a run that this process begins now."""
    return {PROCESS: describe_process(), HEARTBEAT: f"{read_clock(uri):.0f}"}


@contextmanager
def keep_alive(client: "MlflowClient", uri: str, run_id: str) -> Iterator[None]:
    """Give signs of life while the block runs, from a thread of its own: one epoch may take hours."""
    ended = Event()

    def beat() -> None:
        while not ended.wait(SECONDS_BETWEEN_BEATS):
            with suppress(Exception):  # who logs to a store that fails says so; no training ends for it
                client.set_tag(run_id, HEARTBEAT, f"{read_clock(uri):.0f}")
                # Others think so after ten minutes without a server, or in which this machine slept.
                if client.get_run(run_id).info.status == "KILLED":
                    client.update_run(run_id, "RUNNING")
                    client.delete_tag(run_id, FAILURE)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()  # or its last beat might come after the run's end


def mark_dead_runs(client: "MlflowClient", experiment_id: str, now: float) -> None:
    """Mark runs as killed if their process has died; now: by the clock of `read_clock`."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        run_id = run.info.run_id
        # Asked again: it may have ended well since the search, and its process with it.
        if is_dead(run.data.tags, now) and client.get_run(run_id).info.status == "RUNNING":
            insert(client.set_tag, run_id, FAILURE, "the process ended before it could say why")
            client.set_terminated(run_id, "KILLED")


def is_dead(tags: Mapping[str, str], now: float) -> bool:
    """Whether the process with these tags has died: seen on its own machine, otherwise told by its silence."""
    host, _, process = tags.get(PROCESS, "").partition(" ")
    if host == socket.gethostname():
        return not _is_alive(process)
    return HEARTBEAT in tags and now - float(tags[HEARTBEAT]) > SECONDS_UNTIL_DEAD


def _is_alive(process: str) -> bool:
    process_id, started = process.split()
    try:
        found = psutil.Process(int(process_id))
        # Another process may have the same id by now.
        return found.status() != psutil.STATUS_ZOMBIE and abs(_find_start(found) - float(started)) < 2
    except psutil.NoSuchProcess:
        return False


def _find_start(process: psutil.Process) -> float:
    """Return when the process started, in seconds since boot, which setting the clock does not change."""
    return process.create_time() - psutil.boot_time()
