"""What every MLflow run is made with: that of a network, and that of the baseline."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from more_itertools import chunked

from unroll.store import Store, require_store

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow.entities import Metric
    from mlflow.entities import Run as MlflowRun

RESTORED = "restored"  # the tag of a run that was made after what it tells of
DESCRIPTION = "mlflow.note.content"  # what MLflow's page of a run begins with
METRICS_IN_A_BATCH = 1000  # as many as MLflow takes at once


def create_run(store: Store, name: str, tags: dict[str, str], params: dict[str, Any]) -> str:
    """Begin a run with these parameters; return its id. Without a name, MLflow makes one up."""
    from mlflow.entities import Param

    run_id = store.client.create_run(store.experiment_id, run_name=name or None, tags=tags).info.run_id
    store.client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    return run_id


@contextmanager
def end_run(store: Store, run_id: str) -> Iterator[None]:
    """Mark a run as finished when the block is left, or as failed if by an exception."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        store.client.set_terminated(run_id, status)


def list_runs(store: Store) -> "list[MlflowRun]":
    """Return all runs of the experiment, the newest first.

    Raises:
        InputError: the store cannot be used.
    """
    runs, token = [], None
    with require_store(store.uri):
        while True:
            page = store.client.search_runs([store.experiment_id], page_token=token)
            runs, token = runs + list(page), page.token
            if not token:
                return runs


def make_metrics(values: dict[str, float], step: int = 0) -> "list[Metric]":
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(name, value, now, step) for name, value in values.items()]


def log_metrics(store: Store, run_id: str, metrics: "list[Metric]") -> None:
    for batch in chunked(metrics, METRICS_IN_A_BATCH):
        store.client.log_batch(run_id, batch)
