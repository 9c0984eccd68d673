"""Results to compare: one for each training and its evaluation, read from MLflow's runs or from Git's commits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unroll.linking import ignore_tracking
from unroll.overview import find_run, list_runs
from unroll.records import Record
from unroll.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun


@dataclass(frozen=True)
class Result:
    """What came of a set of parameters."""

    params: dict[str, str]  # flat, without tracking
    metrics: dict[str, float]  # by their names in MLflow
    data_md5: str  # of data/raw: equal parameters may have been used on other data


def collect_from_runs(store: Store) -> list[Result]:
    """Return the results of the finished runs, the oldest first."""
    runs = [run for run in list_runs(store) if run.info.status == "FINISHED"]
    return [
        Result(ignore_tracking(run.data.params), run.data.metrics, run.data.tags.get("dvc.md5.data/raw", ""))
        for run in reversed(runs)
    ]


def collect_from_records(records: list[Record], runs: "list[MlflowRun]") -> list[Result]:
    """Return the results of the branches and experiments that have metrics, the oldest first.

    Git does not have the seconds of a training, as they never repeat: they are those of the record's run, if it is
    among `runs`.
    """
    return [
        Result(ignore_tracking(record.params), record.metrics | _find_seconds(record, runs), record.data_md5)
        for record in sorted(records, key=lambda record: record.committed_at)
        if record.metrics
    ]


def _find_seconds(record: Record, runs: "list[MlflowRun]") -> dict[str, float]:
    run = find_run(record, runs)
    return {"seconds": run.data.metrics["seconds"]} if run and "seconds" in run.data.metrics else {}
