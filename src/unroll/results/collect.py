"""Results to compare, one for each evaluated training, from MLflow's runs or from Git's commits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unroll.results.overview import find_run
from unroll.results.records import Record
from unroll.tracking.baseline import find_baseline, is_baseline, keep_params
from unroll.tracking.runs import ignore_tracking

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun


@dataclass(frozen=True)
class Result:
    """The result of a set of parameters."""

    params: dict[str, str]  # flat, without tracking; for a baseline, those that it depends on
    metrics: dict[str, float]  # by their names in MLflow
    data_md5: str  # of data/raw: equal parameters may have been used on other data


@dataclass(frozen=True)
class Results:
    """Results of networks and of linear baselines, the oldest first."""

    networks: list[Result]
    baselines: list[Result]


def collect_from_runs(runs: "list[MlflowRun]") -> Results:
    """Return the results of the finished runs; runs: the newest first."""
    networks: list[Result] = []
    baselines: list[Result] = []
    for run in reversed(runs):
        if run.info.status == "FINISHED":
            keep, results = (keep_params, baselines) if is_baseline(run) else (ignore_tracking, networks)
            data_md5 = run.data.tags.get("dvc.md5.data/raw", "")
            results.append(Result(keep(run.data.params), run.data.metrics, data_md5))
    return Results(networks, baselines)


def collect_from_records(records: list[Record], runs: "list[MlflowRun]") -> Results:
    """Return the results of the branches and experiments that have metrics.

    Git does not keep the seconds of a training, which never repeat; they come from the record's run, if it is among
    `runs`.
    """
    networks, baselines = [], []
    for record in sorted(records, key=lambda record: record.committed_at):
        if record.metrics:
            metrics = record.metrics | _read_seconds(find_run(record, runs))
            networks.append(Result(ignore_tracking(record.params), metrics, record.data_md5))
        if record.baseline:
            metrics = record.baseline | _read_seconds(find_baseline(runs, record.params, record.md5s))
            baselines.append(Result(keep_params(record.params), metrics, record.data_md5))
    return Results(networks, baselines)


def _read_seconds(run: "MlflowRun | None") -> dict[str, float]:
    return {"seconds": run.data.metrics["seconds"]} if run and "seconds" in run.data.metrics else {}
