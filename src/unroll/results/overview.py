"""Branches and DVC experiments beside their MLflow runs, and whether the two agree."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from unroll.results.records import Record
from unroll.tracking.baseline import find_baseline, is_baseline
from unroll.tracking.runs import LINKS, MODEL_MD5, TEST_MD5, choose_run, ignore_tracking, list_runs
from unroll.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

MISMATCH = "mismatch"


@dataclass(frozen=True)
class OverviewRow:
    """A line of `unroll runs`. What Git or MLflow does not know is NaN or empty."""

    kind: str  # branch, experiment, baseline, or "run" for what only MLflow knows
    name: str
    cell: str
    git: float  # the main metric as Git has it
    mlflow: float  # and as MLflow has it
    state: str
    run_id: str
    differences: tuple[str, ...] = ()


def list_rows(store: Store, records: list[Record], metric: str) -> list[OverviewRow]:
    """Return a row for each record, in order, and one for each run that belongs to none of them.

    metric: the one to show, by its name in MLflow; all are compared.

    A baseline's run has its own row: it belongs to all records with this baseline.
    """
    runs = list_runs(store)
    rows = [_pair(record, runs, metric) for record in records]
    paired = {row.run_id for row in rows}
    rest = [run for run in runs if run.info.run_id not in paired]
    return rows + [
        _pair_baseline(run, records, metric) if is_baseline(run) else _describe_run(run, metric) for run in rest
    ]


def find_run(record: Record, runs: "list[MlflowRun]") -> "MlflowRun | None":
    """Return the run that a record's dvc.lock leads to; preferably one that has its scores."""
    md5s = {tag: record.md5s[tag] for tag in LINKS if record.md5s[tag]}  # an old commit may have no checksums.json
    same_model = [run for run in runs if MODEL_MD5 in md5s and run.data.tags.get(MODEL_MD5) == md5s[MODEL_MD5]]
    scored = [run for run in same_model if TEST_MD5 in run.data.tags]
    wanted = (ignore_tracking(record.params), md5s, record.name)
    return choose_run(scored, *wanted) or choose_run(same_model, *wanted)


def _pair(record: Record, runs: "list[MlflowRun]", metric: str) -> OverviewRow:
    cell = record.params.get("model.cell", "")
    git = record.metrics.get(metric, math.nan)
    run = find_run(record, runs)
    if not run:
        state = "no run" if record.md5s[MODEL_MD5] else "no model"
        return OverviewRow(record.kind, record.name, cell, git, math.nan, state, "")
    differences = tuple(_compare(record.metrics, run.data.metrics))
    state = MISMATCH if differences else run.info.status.lower()
    mlflow = run.data.metrics.get(metric, math.nan)
    return OverviewRow(record.kind, record.name, cell, git, mlflow, state, run.info.run_id, differences)


def _pair_baseline(run: "MlflowRun", records: list[Record], metric: str) -> OverviewRow:
    of_git = (record.baseline for record in records if find_baseline([run], record.params, record.md5s))
    row, git = _describe_run(run, metric), next(filter(None, of_git), {})
    differences = tuple(_compare(git, run.data.metrics))
    state = MISMATCH if differences else row.state
    return replace(row, kind="baseline", git=git.get(metric, math.nan), state=state, differences=differences)


def _compare(git: dict[str, float], mlflow: dict[str, float]) -> list[str]:
    """Return what differs, to the six digits that metrics files have."""
    return [
        f"{name} is {value:g} in Git, {mlflow[name]:g} in MLflow" if name in mlflow else f"{name} is not in MLflow"
        for name, value in git.items()
        if name not in mlflow or round(mlflow[name], 6) != round(value, 6)
    ]


def _describe_run(run: "MlflowRun", metric: str) -> OverviewRow:
    value = run.data.metrics.get(metric, math.nan)
    cell, name = run.data.params.get("model.cell", ""), run.info.run_name or ""
    return OverviewRow("run", name, cell, math.nan, value, run.info.status.lower(), run.info.run_id)
