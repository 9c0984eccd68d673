"""What MLflow is told: one run for each training, found again by what the training produced.

DVC knows an output by the MD5 of its content. `train` tags its run with the MD5 of models/model.safetensors, and
`evaluate` finds the run by that tag. So no run id is written anywhere, outputs stay the same bytes from run to run,
and the dvc.lock of any commit or experiment leads to its MLflow run.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unroll.files import compute_hash
from unroll.params import Params, flatten_params
from unroll.store import connect
from unroll.training import Epoch

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

MODEL_FILE = "model.safetensors"
MODEL_MD5 = "model_md5"  # the tag that links a run to dvc.lock
EXPERIMENTS = "dvc.experiments"  # names of the DVC experiments that came to this model
RUN_NAME = "mlflow.runName"
# What models/ needs to answer; written into the logged model so that it can be served elsewhere.
INFERENCE_PACKAGES = (
    "more-itertools",
    "nltk",
    "numpy",
    "pandas",
    "pydantic",
    "ruamel.yaml",
    "safetensors",
    "tokenizers",
    "torch",
)


class Run:
    """An MLflow run that is being written. Without a client, tracking is off and every method does nothing."""

    def __init__(self, client: "MlflowClient | None" = None, run_id: str = "") -> None:
        self._client = client
        self._id = run_id

    def log_epoch(self, epoch: Epoch) -> None:
        """Log an epoch's losses and scores, with the epoch as step."""
        values = asdict(epoch)
        self._log_metrics({_name_metric(name): value for name, value in values.items() if name != "epoch"}, epoch.epoch)

    def log_scores(self, scores: dict[str, Any]) -> None:
        """Log metrics/test.json, rounded as it is there: `test/macro_f1`, `test/World/f1`, …"""
        metrics = {f"test/{name}": round(value, 6) for name, value in scores["overall"].items()}
        for class_name, values in scores["per_class"].items():
            metrics |= {f"test/{class_name}/{name}": round(value, 6) for name, value in values.items()}
        self._log_metrics({_allow(name): value for name, value in metrics.items()})

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Log a picture."""
        if self._client:
            self._client.log_figure(self._id, figure, name)

    def log_files(self, paths: list[Path]) -> None:
        """Log files as artifacts, under their folder's name."""
        for path in paths if self._client else []:
            self._client.log_artifact(self._id, str(path), path.parent.name)

    def finish(self, models: Path, files: list[Path], summary: dict[str, int | float], seconds: float) -> None:
        """Log what a finished training leaves (`summary`: metrics/train.json), and link the run to its model."""
        if not self._client:
            return
        best = {f"best/{name}": summary[name] for name in ("val_loss", "val_accuracy", "val_macro_f1")}
        best["best/epoch"] = summary["best_epoch"]
        self._log_metrics({**best, "parameters": summary["parameters"], "seconds": seconds})
        self.log_files(files)
        _log_model(self._client, self._id, models)
        md5 = compute_hash(models / MODEL_FILE, "md5")
        self._client.set_tag(self._id, MODEL_MD5, md5)
        if not os.environ.get("DVC_EXP_NAME"):
            cell = self._client.get_run(self._id).data.params["model.cell"]
            self._client.set_tag(self._id, RUN_NAME, f"{cell}-{md5[:7]}")

    def _log_metrics(self, metrics: dict[str, float], step: int = 0) -> None:
        if self._client:
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            self._client.log_batch(self._id, [Metric(name, value, now, step) for name, value in metrics.items()])


@contextmanager
def start_training_run(params: Params) -> Iterator[Run]:
    """Begin the run of a training; mark it finished, failed or killed when the block is left."""
    if not params.tracking.enabled:
        yield Run()
        return
    client, experiment_id = connect(params.tracking.experiment)
    name = os.environ.get("DVC_EXP_NAME") or f"{params.model.cell} (in training)"
    run = client.create_run(experiment_id, run_name=name, tags=_describe_origin())
    run_id = run.info.run_id
    _log_params(client, run_id, params)
    with _closing(client, run_id):
        yield Run(client, run_id)


@contextmanager
def continue_run(params: Params, models: Path) -> Iterator[Run]:
    """Take up the run whose training made the model in `models`.

    Where the database knows none (a fresh clone after `dvc pull`, another database) a run is made and tagged as
    restored: its metrics and model are those of the training, its curves are not there.
    """
    if not params.tracking.enabled:
        yield Run()
        return
    client, experiment_id = connect(params.tracking.experiment)
    md5 = compute_hash(models / MODEL_FILE, "md5")
    found = client.search_runs(
        [experiment_id], f"tags.{MODEL_MD5} = '{md5}'", max_results=1, order_by=["attributes.start_time DESC"]
    )
    if found:
        run_id = found[0].info.run_id
        _add_experiment_name(client, run_id, found[0].data.tags.get(EXPERIMENTS, ""))
        yield Run(client, run_id)
        return
    name = os.environ.get("DVC_EXP_NAME") or f"{params.model.cell}-{md5[:7]}"
    tags = _describe_origin() | {MODEL_MD5: md5, "restored": "true"}
    run_id = client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
    with _closing(client, run_id):
        _log_params(client, run_id, params)
        _log_model(client, run_id, models)
        yield Run(client, run_id)


@contextmanager
def _closing(client: "MlflowClient", run_id: str) -> Iterator[None]:
    """End the run as what became of it; no run stays "running" once its block is left."""
    status = "FINISHED"
    try:
        yield
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        client.set_tag(run_id, "failure", f"{type(error).__name__}: {error}"[:500])
        raise
    finally:
        client.set_terminated(run_id, status)


def _log_params(client: "MlflowClient", run_id: str, params: Params) -> None:
    from mlflow.entities import Param

    logged = [Param(name, str(value)) for name, value in flatten_params(params).items()]
    client.log_batch(run_id, params=logged)


def _log_model(client: "MlflowClient", run_id: str, models: Path) -> None:
    """Log models/ as a model that loads without pickle: its code is a file, its weights are safetensors."""
    import mlflow

    package = Path(__file__).parent
    mlflow.set_tracking_uri(client.tracking_uri)
    with mlflow.start_run(run_id=run_id):
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(package / "mlflow_model.py"),
            artifacts={"models": str(models)},
            code_paths=[str(package)],
            # Given, because inferring them would start a second process for many seconds.
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in INFERENCE_PACKAGES],
        )


def _describe_origin() -> dict[str, str]:
    """Return tags that say where a run comes from."""
    tags = {"mlflow.source.name": "python -m unroll.stages.train", "mlflow.source.type": "LOCAL"}
    if commit := _ask_git("rev-parse", "HEAD"):
        tags |= {"mlflow.source.git.commit": commit, "git.dirty": str(bool(_ask_git("status", "--porcelain"))).lower()}
    if name := os.environ.get("DVC_EXP_NAME"):
        tags |= {EXPERIMENTS: name, "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV", "")}
    return tags


def _ask_git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a Git checkout: nothing to say about it


def _add_experiment_name(client: "MlflowClient", run_id: str, names: str) -> None:
    """Add the DVC experiment's name to those that came to the same model, when it is a new one."""
    name = os.environ.get("DVC_EXP_NAME")
    known = names.split(",") if names else []
    if name and name not in known:
        client.set_tag(run_id, EXPERIMENTS, ",".join([*known, name]))


def _name_metric(name: str) -> str:
    """`val_macro_f1` to `val/macro_f1`, which the MLflow UI shows in one group."""
    for prefix in ("train", "val"):
        if name.startswith(prefix + "_"):
            return name.replace("_", "/", 1)
    return f"train/{name}"


def _allow(name: str) -> str:
    """Replace what MLflow allows in no metric's name; classes of a user's own data may be named in any way."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)
