"""Logs a training to MLflow, as a run that is tagged with the MD5 of the resulting model."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unroll.base.devices import choose_device, explain_not_portable
from unroll.base.errors import DEBUG, hide_password
from unroll.base.files import compute_hash
from unroll.models.batches import Examples
from unroll.models.files import TEXT_PARTS
from unroll.params.common import PipelineParams, TrainParams, flatten_params
from unroll.text.tokens import Tokens
from unroll.tracking.changes import log_changes
from unroll.tracking.heartbeat import FAILURE, keep_alive
from unroll.tracking.names import name_epoch, name_gradient, name_layers, name_training
from unroll.tracking.origin import DIRTY, describe_experiment, describe_origin
from unroll.tracking.registry import Standing, identify_rows, log_model, register_model
from unroll.tracking.runs import CHECKSUMS_MD5, LINKS, MODEL_MD5, create_run, log_metrics, make_metrics
from unroll.tracking.sharing import insert
from unroll.tracking.store import Store, StoreError, catch_store_errors, connect, require_store
from unroll.training.progress import Epoch, Training

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow.entities import DatasetInput, Metric

MODELS, METRICS = Path("models"), Path("metrics")
RUN_NAME = "mlflow.runName"
SECONDS_BETWEEN_BATCHES = 5


class TrainingRun:
    """The MLflow run of a training.

    If the store fails while the training runs, the training goes on and a warning says what could not be logged. The
    next evaluation logs it, or stops with the reason if it cannot.
    """

    def __init__(self, store: Store, run_id: str, params: PipelineParams) -> None:
        self._store, self._id, self._params = store, run_id, params
        self._waiting: list[Metric] = []
        self._sent_at = time.monotonic()
        self.is_lost = False

    def log_epoch(self, epoch: Epoch) -> None:
        """Log an epoch's figures, with the epoch as step, and those still waiting."""
        row = epoch.as_row() | {"examples_per_second": epoch.examples_per_second}
        self._waiting += make_metrics(name_epoch(row), epoch.epoch)
        if epoch.gradients:
            self._waiting += make_metrics(name_layers(epoch.gradients.layers), epoch.epoch)
            for step, norm in enumerate(epoch.gradients.steps, start=1):
                self._waiting += make_metrics(name_gradient(epoch.epoch, norm), step)
        if not self.is_lost and time.monotonic() - self._sent_at > SECONDS_BETWEEN_BATCHES:
            with self._tolerate("training goes on; what it logs is sent at its end"):
                self._send()

    def finish(self, val: Examples, summary: dict[str, Any], training: Training) -> None:
        """Log the results of a finished training (`summary`: metrics/train.json), and link the run to its model."""
        first = min((metric.step for metric in self._waiting), default=0)
        epochs = f"the epochs from {first} on, " if first else ""
        rest = "scores and model; the next evaluation logs them to another one"
        # The store may be back, so this is tried even if it was lost before.
        with self._tolerate(f"its run lacks {epochs}{rest}"):
            self._waiting += make_metrics({"seconds": round(training.seconds, 2)})
            self._send()
            self.is_lost = False
        if self.is_lost:
            return
        with self._tolerate(f"its run lacks {rest}"):
            if training.resumed_after:
                self._store.client.set_tag(self._id, "resumed_after_epoch", str(training.resumed_after))
            log_training(self._store, self._id, self._params, val, summary)
            link_training(self._store, self._id)

    def close(self, status: str, failure: str) -> None:
        """End the run with its status."""
        if self.is_lost:
            return
        with self._tolerate("its run is not marked as ended"):
            self._send()
            if failure:
                self._store.client.set_tag(self._id, FAILURE, failure)
            self._store.client.set_terminated(self._id, status)

    def _send(self) -> None:
        log_metrics(self._store, self._id, self._waiting)
        self._waiting = []
        self._sent_at = time.monotonic()

    @contextmanager
    def _tolerate(self, consequence: str) -> Iterator[None]:
        try:
            with catch_store_errors():
                yield
        except Exception as error:  # even a bug: logging must not end a training that may have taken hours
            if os.environ.get(DEBUG):
                raise
            self.is_lost = True
            uri = hide_password(self._store.uri)
            reason = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
            print(f"warning: MLflow's store {uri} was lost ({reason}): {consequence}", file=sys.stderr)


@contextmanager
def start_training_run(params: PipelineParams, splits: Mapping[str, Examples]) -> Iterator[TrainingRun]:
    """Begin the run of a training; mark it finished, failed or killed when the block ends.

    Raises:
        InputError: the store cannot be used.
    """
    store = connect(params.tracking.experiment)
    with require_store(store.uri):
        name = os.environ.get("DVC_EXP_NAME") or f"{params.model.cell} (in training)"
        run_id = create_training(store, name, params, splits)
        for tag, value in describe_device(params.train).items():
            store.client.set_tag(run_id, tag, value)
    run = TrainingRun(store, run_id, params)
    status, failure = "FINISHED", ""
    try:
        with keep_alive(store.client, store.uri, run_id), _watch_system(store, run_id, params.tracking.system_metrics):
            yield run
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        failure = hide_password(f"{type(error).__name__}: {error}")[:500]
        raise
    finally:
        run.close(status, failure)


def create_training(store: Store, name: str, params: PipelineParams, splits: Mapping[str, Examples]) -> str:
    """Begin the run of a training with its parameters, data and origin; return its id."""
    tags = {"threads": str(params.train.threads)} | describe_origin() | describe_experiment()
    run_id = create_run(store, name, tags, flatten_params(params))
    if tags.get(DIRTY) == "true":
        log_changes(store, run_id)
    insert(store.client.log_inputs, run_id, describe_splits(splits, params))
    return run_id


def log_training(store: Store, run_id: str, params: PipelineParams, val: Examples, summary: dict[str, Any]) -> None:
    """Log the best epoch, files and model of a training."""
    log_metrics(store, run_id, make_metrics(name_training(summary)))
    if "warnings" in summary:
        store.client.set_tag(run_id, "warnings", summary["warnings"])
    store.client.log_artifact(run_id, str(METRICS / "train.json"), "metrics")
    store.client.log_artifact(run_id, str(METRICS / "plots" / "history.csv"), "plots")
    md5s = {tag: compute_hash(Path(LINKS[tag]), "md5") for tag in (MODEL_MD5, CHECKSUMS_MD5)}
    if params.registered_model and isinstance(val, Tokens):
        model_id = log_model(store, run_id, MODELS, TEXT_PARTS)
        standing = Standing(summary["val_macro_f1"], identify_rows(val, MODELS))
        register_model(store, run_id, model_id, params.registered_model, standing, md5s | {"cell": params.model.cell})
    else:
        store.client.log_artifacts(run_id, str(MODELS), "model")
    if not os.environ.get("DVC_EXP_NAME"):
        store.client.set_tag(run_id, RUN_NAME, f"{params.model.cell}-{md5s[MODEL_MD5][:7]}")


def link_training(store: Store, run_id: str) -> None:
    """Link a run to models/; do it last, so that no incomplete run is found."""
    for tag in (CHECKSUMS_MD5, MODEL_MD5):
        store.client.set_tag(run_id, tag, compute_hash(Path(LINKS[tag]), "md5"))


def describe_splits(splits: Mapping[str, Examples], params: PipelineParams) -> "list[DatasetInput]":
    """Return the splits as inputs of an MLflow run, each with a digest of what the model reads."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    described = {split: examples.describe(split) for split, examples in splits.items()}
    return [
        DatasetInput(
            Dataset(
                name=f"{params.data.dataset} {split}",
                digest=splits[split].digest()[:8],  # as long as MLflow's own digests
                source_type="local",
                source=json.dumps({"uri": about["source"]}),
                schema=json.dumps({"mlflow_colspec": about["schema"]}),
                profile=json.dumps(about["profile"]),
            ),
            [InputTag("mlflow.data.context", split)],
        )
        for split, about in described.items()
    ]


def describe_device(train: TrainParams) -> dict[str, str]:
    """Return what computes, and whether other processors with AVX2 would compute the same bytes."""
    device = choose_device(train.device, train.portable)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    reason = (
        explain_not_portable(train.threads, device, train.processes) if train.portable else "train.portable is false"
    )
    return {"device": name, "portable": f"no, as {reason}" if reason else "yes"}


@contextmanager
def _watch_system(store: Store, run_id: str, asked: bool) -> Iterator[None]:
    """Log the use of processor and memory while the block runs, if asked to."""
    with ExitStack() as stack:
        if asked:
            from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

            monitor = SystemMetricsMonitor(run_id, sampling_interval=1, tracking_uri=store.uri)
            monitor.start()
            stack.callback(monitor.finish)
        yield
