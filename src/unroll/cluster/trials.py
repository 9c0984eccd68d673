"""The MLflow runs of a search's trials: their epochs, stopping a training that is to be pruned, and their tags."""

import os
import signal
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count, takewhile
from threading import Event, Thread
from typing import TYPE_CHECKING

from unroll.cluster.pruning import find_pruned
from unroll.cluster.spread import find_hosts
from unroll.tracking.baseline import is_baseline
from unroll.tracking.heartbeat import FAILURE, PROCESS, is_dead
from unroll.tracking.origin import EXPERIMENTS
from unroll.tracking.runs import list_runs, split_names
from unroll.tracking.store import Store

if TYPE_CHECKING:
    from distributed import Client
    from mlflow.entities import Run

SEARCH, PRUNED = "search", "pruned"  # tags of a run: its search, and the epoch at which it was pruned
SECONDS_BETWEEN_LOOKS = 2


def find_runs(store: Store, names: Collection[str]) -> "dict[str, list[Run]]":
    """Return the runs of each experiment, the newest first; a killed and repeated one has several."""
    found: dict[str, list[Run]] = {name: [] for name in names}
    for run in list_runs(store):
        if not is_baseline(run):
            for name in found.keys() & set(list_names(run)):
                found[name].append(run)
    return found


def list_names(run: "Run") -> list[str]:
    """Return the names of the DVC experiments that share a run."""
    return split_names(run.data.tags.get(EXPERIMENTS, ""))


def find_pruned_curve(store: Store, runs: "Sequence[Run]", limits: Sequence[float], objective: str) -> list[float]:
    """Return the curve of an experiment up to the epoch at which it is pruned, or nothing if its runs do not show that.

    Each run has the beginning of the same curve.
    """
    curves = (read_epochs(store, run.info.run_id, objective) for run in runs)
    return next((curve[:epoch] for curve in curves if (epoch := find_pruned(curve, limits, objective))), [])


def read_epochs(store: Store, run_id: str, objective: str) -> list[float]:
    """Return the score of each epoch that a run has, from the first on."""
    logged = {metric.step: metric.value for metric in store.client.get_metric_history(run_id, f"curve/{objective}")}
    return [logged[epoch] for epoch in takewhile(logged.__contains__, count(1))]


@contextmanager
def stop_early(
    client: "Client", store: Store, names: Collection[str], limits: Sequence[float], objective: str
) -> Iterator[None]:
    """While the block runs, stop trainings of these experiments that their epochs in MLflow show to be pruned."""
    ended, stopped = Event(), set[str]()  # each is asked once: a second time would disturb how it ends

    def look() -> None:
        for run in store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'"):
            run_id = run.info.run_id
            if run_id in stopped or set(names).isdisjoint(list_names(run)):
                continue
            if find_pruned(read_epochs(store, run_id, objective), limits, objective):
                stopped.add(run_id)
                client.run(stop_process, run.data.tags[PROCESS], workers=find_hosts(client))

    def watch() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            with suppress(Exception):  # whatever fails: who is not stopped is judged in the end
                look()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def stop_process(process: str) -> None:
    """End a training as Ctrl-C does, if it runs on this machine; process: as its run names it.

    This runs on a worker of each machine.
    """
    host, process_id, _ = process.split()
    if host == socket.gethostname() and not is_dead({PROCESS: process}, now=0):
        os.kill(int(process_id), signal.SIGTERM)


def tag_runs(store: Store, search: str, runs: "Mapping[str, list[Run]]", pruned: Mapping[str, int]) -> None:
    """Tag the runs of trials with their search, and those that were pruned with the epoch.

    pruned: by the experiment's name. A training that ended before it could be stopped stays a finished run.
    """
    for name, found in runs.items():
        for run in found:
            store.client.set_tag(run.info.run_id, SEARCH, search)
            if name in pruned:
                reason = f"at epoch {pruned[name]} of {search}"
                store.client.set_tag(run.info.run_id, PRUNED, reason)
                if run.info.status == "KILLED":
                    store.client.set_tag(run.info.run_id, FAILURE, f"pruned {reason}")
