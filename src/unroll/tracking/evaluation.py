"""Logs an evaluation to MLflow, and finds the training run that it belongs to.

DVC identifies an output by the MD5 of its content. `train` tags its run with the MD5 of models/model.safetensors, and
`evaluate` finds the run by that tag. So no run id is written anywhere, outputs keep the same bytes from run to run, and
the dvc.lock of any commit or experiment leads to its MLflow run. docs/tracking.md describes each case.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from unroll.base.files import compute_hash, read_json
from unroll.models.batches import Examples
from unroll.params.common import PipelineParams, flatten_params
from unroll.tracking.claims import add_names, claim_run, keep_first
from unroll.tracking.names import name_epoch
from unroll.tracking.runs import (
    DESCRIPTION,
    LINKS,
    MODEL_MD5,
    RESTORED,
    TEST_MD5,
    choose_run,
    end_run,
    find_runs_of_model,
    ignore_tracking,
    log_metrics,
    make_metrics,
)
from unroll.tracking.sharing import insert
from unroll.tracking.store import Store, connect, require_store
from unroll.tracking.training import METRICS, create_training, link_training, log_training

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from matplotlib.figure import Figure
    from mlflow.entities import Run as MlflowRun


LONGEST = 8000  # characters of a tag
REST = "\n\n… models/README.md has the rest."


@dataclass(frozen=True)
class Evaluation:
    """What MLflow records about an evaluation.

    summary: a few words for the run's page; metrics: by their names in MLflow; files: under metrics/; figures and
    tables: by file name; card: Markdown that follows the summary.
    """

    summary: str
    metrics: dict[str, float]
    files: list[str]
    figures: "dict[str, Figure]"
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    card: str = ""


def log_evaluation(
    store: Store, params: PipelineParams, splits: Mapping[str, Examples], evaluation: Evaluation
) -> None:
    """Log an evaluation of models/ to the run that trained the model, unless that run has another evaluation.

    If there is no such run, one is made from the training's outputs and tagged as restored. That happens in a fresh
    clone after `dvc pull`, with another database, other parameters, or another way to evaluate.

    Raises:
        InputError: the store cannot be used; evaluating again logs what is missing.
    """
    from mlflow.exceptions import MlflowException

    with require_store(store.uri):
        while run_id := _find_run(store, params):
            try:
                if _log(store, run_id, params, evaluation):
                    return
            except MlflowException:
                if store.client.get_run(run_id).info.lifecycle_stage == "active":  # or else an equal one replaced it
                    raise
        _restore_run(store, params, splits, evaluation)


def log_scores(
    params: PipelineParams,
    splits: Mapping[str, Examples],
    summary: str,
    scores: dict[str, float],
    figures: "dict[str, Figure]",
) -> None:
    """Log an evaluation that has only a few scores, those of metrics/test.json; do nothing if tracking is off.

    Raises:
        InputError: the store cannot be used.
    """
    if params.tracking.enabled:
        metrics = {f"test/{name}": round(value, 6) for name, value in scores.items()}
        store = connect(params.tracking.experiment)
        log_evaluation(store, params, splits, Evaluation(summary, metrics, ["test.json"], figures))


def _find_run(store: Store, params: PipelineParams) -> str | None:
    own, md5s = ignore_tracking(flatten_params(params)), {tag: compute_hash(Path(LINKS[tag]), "md5") for tag in LINKS}

    def search_restored() -> "list[MlflowRun]":
        runs = [run for run in find_runs_of_model(store, md5s[MODEL_MD5]) if RESTORED in run.data.tags]
        return [
            run for run in runs if md5s.items() <= run.data.tags.items() and ignore_tracking(run.data.params) == own
        ]

    keep_first(store, search_restored)
    found = choose_run(find_runs_of_model(store, md5s[MODEL_MD5]), own, md5s, os.environ.get("DVC_EXP_NAME"))
    return found.info.run_id if found else None


def _restore_run(store: Store, params: PipelineParams, splits: Mapping[str, Examples], evaluation: Evaluation) -> None:
    """Make a run for a training that MLflow has not seen; all that is lost are the seconds that it took."""
    run_id = create_training(store, os.environ.get("DVC_EXP_NAME", ""), params, splits)
    with end_run(store, run_id):
        history = pd.read_csv(METRICS / "plots" / "history.csv").to_dict("records")
        log_metrics(store, run_id, [m for row in history for m in make_metrics(name_epoch(row), int(row["epoch"]))])
        store.client.set_tag(run_id, RESTORED, "true")
        log_training(store, run_id, params, splits["val"], read_json(METRICS / "train.json"))
        _log(store, run_id, params, evaluation)
    link_training(store, run_id)
    _find_run(store, params)  # and keep only the first, if other machines have made one at the same time


def _log(store: Store, run_id: str, params: PipelineParams, evaluation: Evaluation) -> bool:
    """Log an evaluation to a run, and return true; do nothing if the run has another evaluation by now."""
    test_md5 = compute_hash(METRICS / "test.json", "md5")
    if not claim_run(store, run_id, test_md5):
        return False
    log_metrics(store, run_id, make_metrics(evaluation.metrics))
    for name, figure in evaluation.figures.items():
        store.client.log_figure(run_id, figure, name, save_kwargs={"dpi": 110})
    for name, table in evaluation.tables.items():
        _log_table(store, run_id, table, name)
    for name in evaluation.files:
        store.client.log_artifact(run_id, str(METRICS / name), "metrics")
    if experiment := os.environ.get("DVC_EXP_NAME"):
        add_names(store, run_id, [experiment])
    describe_run(store, run_id, f"{params.model.cell} on {params.data.dataset}: {evaluation.summary}", evaluation.card)
    insert(store.client.set_tag, run_id, TEST_MD5, test_md5)
    return True


def describe_run(store: Store, run_id: str, first_line: str, more: str) -> None:
    """Give the run's page a first line and what follows, as far as MLflow takes it, unless somebody has written one."""
    if DESCRIPTION not in store.client.get_run(run_id).data.tags:
        insert(store.client.set_tag, run_id, DESCRIPTION, cut_lines(f"{first_line}\n\n{more}".strip(), LONGEST))


def cut_lines(text: str, most: int) -> str:
    """Return the first lines of a text, no more than `most` characters, and a line that says so if any are left out."""
    if len(text) <= most:
        return text
    return text[: most - len(REST)].rpartition("\n")[0] + REST


def _log_table(store: Store, run_id: str, table: pd.DataFrame, name: str) -> None:
    """Log a table that MLflow's pages show as one. Its own `log_table` would append to an earlier attempt's rows."""
    store.client.log_text(run_id, table.to_json(orient="split", index=False), name)
    shown = json.dumps([{"path": name, "type": "table"}])
    insert(store.client.set_tag, run_id, "mlflow.loggedArtifacts", shown)
