"""MLflow's runs: how to make them, and how to find the run of a model, its parameters and its evaluation."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from more_itertools import chunked

from unroll.tracking.heartbeat import describe_life, keep_alive
from unroll.tracking.origin import EXPERIMENTS
from unroll.tracking.sharing import insert
from unroll.tracking.store import Store, require_store

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.entities import Run as MlflowRun

RESTORED = "restored"  # the tag of a run that was made after the fact
DESCRIPTION = "mlflow.note.content"  # the first line of a run's page in MLflow
METRICS_IN_A_BATCH = 1000  # the most that MLflow accepts at once


def create_run(store: Store, name: str, tags: dict[str, str], params: dict[str, Any]) -> str:
    """Begin a run with these parameters; return its id. Without a name, MLflow makes one up."""
    from mlflow.entities import Param

    tags = tags | describe_life(store.uri)
    run_id = store.client.create_run(store.experiment_id, run_name=name or None, tags=tags).info.run_id
    store.client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    return run_id


@contextmanager
def end_run(store: Store, run_id: str) -> Iterator[None]:
    """Mark a run as finished when the block ends, or as failed if it raises."""
    status = "FAILED"
    try:
        with keep_alive(store.client, store.uri, run_id):
            yield
        status = "FINISHED"
    finally:
        store.client.set_terminated(run_id, status)


def list_runs(store: Store) -> "list[MlflowRun]":
    """Return all runs of the experiment, the newest first.

    Raises:
        InputError: the store cannot be used.
    """
    runs: list[MlflowRun] = []
    token = None
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
        insert(store.client.log_batch, run_id, batch)


CLAIM = "tracking.test_md5"  # the parameter that says which evaluation a run is for; compared with no other parameter
# Tags that link a run to an output in dvc.lock, whose MD5 they hold.
MODEL_MD5, CHECKSUMS_MD5, TEST_MD5 = "model_md5", "checksums_md5", "test_md5"
# checksums.json covers all of models/: equal weights may have other class names, cleaning or temperature.
LINKS = {
    MODEL_MD5: "models/model.safetensors",
    CHECKSUMS_MD5: "models/checksums.json",
    TEST_MD5: "metrics/test.json",
}


def choose_run(
    runs: "list[MlflowRun]", params: dict[str, str], md5s: Mapping[str, str], name: str | None
) -> "MlflowRun | None":
    """Return the run of a model with these parameters and this evaluation; runs: those that made the weights.

    Parameters and scores of a run never change. So a run fits if it has the same parameters, and the same `md5s` (by
    tag) or none yet. If several fit, the one of the DVC experiment `name` is returned, or else the newest.
    """

    def fits(run: "MlflowRun") -> bool:
        claimed = {TEST_MD5: run.data.params[CLAIM]} if CLAIM in run.data.params else {}
        known = claimed | run.data.tags
        return ignore_tracking(run.data.params) == params and all(
            known.get(tag, md5) == md5 for tag, md5 in md5s.items()
        )

    def rank(run: "MlflowRun") -> tuple[bool, int]:
        return name in split_names(run.data.tags.get(EXPERIMENTS, "")), run.info.start_time

    return max(filter(fits, runs), key=rank, default=None)


def ignore_tracking(params: dict[str, Any]) -> dict[str, str]:
    """Return flat parameters as MLflow holds them, without those of tracking."""
    return {name: str(value) for name, value in params.items() if not name.startswith("tracking.")}


def split_names(names: str) -> list[str]:
    """Return the experiment names in a tag, split at spaces: Git allows no space in a name."""
    return names.split(", ") if names else []


def find_runs_of_model(store: Store, md5: str) -> "list[MlflowRun]":
    """Return the finished runs whose weights have this MD5."""
    return list(store.client.search_runs([store.experiment_id], f"tags.{MODEL_MD5} = '{md5}'"))
