"""A grid of experiments through DVC's queue, two at a time, into a tracking database that does not exist yet."""

import csv
import hashlib
import io
import json
import re
import shutil
import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from unroll.tracking.names import name_scores
from workspaces import ROOT, Workspace, list_networks

pytestmark = pytest.mark.slow


def make_client(workspace: Workspace) -> MlflowClient:
    uri = f"sqlite:///{workspace.path / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def list_runs(workspace: Workspace) -> dict[str, Run]:
    return {run.info.run_name: run for run in list_networks(make_client(workspace).search_runs(["1"]))}


def find_baseline(workspace: Workspace) -> Run:
    """Return the one baseline run that all experiments share."""
    (run,) = make_client(workspace).search_runs(["1"], "tags.model = 'linear'")
    return run


def list_names(workspace: Workspace) -> list[str]:
    return sorted(workspace.run("dvc", "exp", "list", "--all-commits", "--name-only").stdout.split())


def read_csv(workspace: Workspace, *command: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(workspace.run(*command, "--format", "csv").stdout)))


def read_overview(workspace: Workspace) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in read_csv(workspace, "unroll", "runs")}


def test_each_experiment_has_its_finished_run_under_the_root(grid: Workspace) -> None:
    runs, names = list_runs(grid), list_names(grid)
    assert len(names) == 6
    assert sorted(runs) == names
    combinations = {(run.data.params["model.cell"], run.data.params["train.seed"]) for run in runs.values()}
    assert combinations == set(product(("rnn", "gru", "lstm"), "12"))
    baseline = grid.run("git", "rev-parse", "HEAD").stdout.strip()
    for name, run in runs.items():
        assert run.info.status == "FINISHED"
        assert (run.data.tags["dvc.experiments"], run.data.tags["dvc.baseline"]) == (name, baseline)
        assert (run.data.tags["git.dirty"], run.data.tags["git.changed"]) == ("true", "params.yaml")
        artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
        assert artifacts.is_relative_to(grid.path / "mlartifacts")
        assert (artifacts / "confusion_matrix.png").is_file()


def test_every_metric_in_git_is_what_mlflow_shows(grid: Workspace) -> None:
    for name, run in list_runs(grid).items():
        (ref,) = grid.run("git", "for-each-ref", "--format=%(refname)", f"refs/exps/**/{name}").stdout.split()
        scores, per_class = (
            json.loads(grid.run("git", "show", f"{ref}:metrics/{file}.json").stdout) for file in ("test", "per_class")
        )
        assert name_scores(scores, per_class).items() <= run.data.metrics.items()


def test_nothing_is_left_in_temporary_directories(grid: Workspace) -> None:
    left = [path for path in (grid.path / ".dvc" / "tmp" / "exps").glob("tmp*") if any(path.iterdir())]
    assert left == []
    assert grid.run("git", "status", "--porcelain").stdout == ""


def test_the_champion_is_the_best_on_validation(grid: Workspace) -> None:
    """Whichever kind it is: networks of two epochs are worse than the linear classifier."""
    runs = [*list_runs(grid).values(), find_baseline(grid)]
    best = max(runs, key=lambda run: run.data.metrics["best/val_macro_f1"])
    champion = make_client(grid).get_model_version_by_alias("headlines", "champion")
    assert (champion.run_id, champion.tags["cell"]) == (best.info.run_id, "linear")
    assert len(make_client(grid).search_model_versions("name = 'headlines'")) == 7


def test_unroll_runs_lists_both_sides(grid: Workspace) -> None:
    runs, baseline, rows = list_runs(grid), find_baseline(grid), read_overview(grid)
    assert set(rows) == {"main", *runs, baseline.info.run_name}
    row = rows[baseline.info.run_name]
    assert (row["kind"], row["state"], row["run_id"]) == ("baseline", "finished", baseline.info.run_id)
    assert float(row["git_macro_f1"]) == float(row["mlflow_macro_f1"]) == baseline.data.metrics["test/macro_f1"]
    assert (rows["main"]["state"], rows["main"]["run_id"]) == ("no run", "")  # its database was removed
    for name, run in runs.items():
        row = rows[name]
        assert (row["kind"], row["state"], row["run_id"]) == ("experiment", "finished", run.info.run_id)
        assert row["cell"] == run.data.params["model.cell"]
        assert float(row["git_macro_f1"]) == float(row["mlflow_macro_f1"]) == run.data.metrics["test/macro_f1"]
    table = grid.run("unroll", "runs").stdout
    assert all(run.info.run_id in table for run in runs.values())


def test_unroll_runs_flags_a_mismatch(grid: Workspace, tmp_path: Path) -> None:
    workspace = grid.copy_to(tmp_path / "repository")
    name, run = next(iter(list_runs(workspace).items()))
    for changed in (run, find_baseline(workspace)):
        make_client(workspace).log_metric(changed.info.run_id, "test/World/recall", 0.123)
    result = workspace.run("unroll", "runs", check=False)
    assert result.returncode == 1
    assert [line for line in result.stdout.splitlines() if name in line and "mismatch" in line]
    assert f"{name}: test/World/recall is " in result.stdout and "0.123 in MLflow" in result.stdout
    assert "2 of 8 rows differ" in result.stdout
    assert "Traceback" not in result.stdout


def trace(workspace: Workspace, *arguments: str, **environment: str) -> dict[str, Any]:
    return json.loads(workspace.run("unroll", "trace", *arguments, "--format", "json", **environment).stdout)


def test_unroll_trace_leads_from_a_number_to_data_model_and_run(grid: Workspace) -> None:
    name, run = list(list_runs(grid).items())[-1]
    macro_f1, md5 = run.data.metrics["test/macro_f1"], run.data.tags["model_md5"]
    found = trace(grid, f"{macro_f1:.6f}")
    labels = [place["refs"] for place in found["places"] if place["key"] == "macro_f1"]
    assert [f"experiment {name}"] in labels and found["chain"]["place"]["value"] == macro_f1
    of_figure = ((f"{name}:metrics/test.json", "macro_f1"), "evaluate")
    for asked, last in (of_figure, ((md5,), "train"), ((run.info.run_id,), "train")):
        found = trace(grid, *asked)
        chain, told = found["chain"], found["run"]
        again = f"unroll reproduce {chain['place']['commit']['id'][:10]} --folder ../again"
        assert (chain["model"]["md5"], chain["model"]["cached"], chain["again"]) == (md5, True, again)
        rows = (grid.path / "data" / "sample" / "headlines.csv").read_bytes()
        assert chain["data"]["sources"]["all"] == {"bytes": len(rows), "sha256": hashlib.sha256(rows).hexdigest()}
        stages = [stage["name"] for stage in chain["stages"]]
        assert (stages[0], stages[-1]) == ("download", last)
        changed = {key: values["value"] for key, values in chain["changed"].items()}
        assert changed == {key: run.data.params[key] for key in changed} and changed["train.epochs"] == "2"
        assert (told["run_id"], told["model_md5"], told["uncommitted"]) == (run.info.run_id, md5, "params.yaml")
        assert told["machine"]["threads"] == "1" and told["machine"]["machine"] == run.data.tags["machine"]


def test_unroll_trace_finds_what_only_a_run_knows(grid: Workspace, reproduced: Workspace) -> None:
    """Experiments that were removed, or are in another clone: their runs are in the store that both share."""
    shared = {"MLFLOW_TRACKING_URI": f"sqlite:///{grid.path / 'mlflow.db'}"}
    run = next(iter(list_runs(grid).values()))
    number = f"{run.data.metrics['test/macro_f1']:.6f}"
    lines = reproduced.run("unroll", "trace", number, **shared).stdout.splitlines()
    assert lines[0].startswith(f"run         {run.info.run_id}") and "test/macro_f1" in "".join(lines)
    result = reproduced.run("unroll", "trace", "0.123456", check=False, **shared)
    assert (result.returncode, result.stdout.count("\n")) == (1, 1)
    assert "and 7 runs: nothing here made it" in result.stdout


def test_unroll_compare_tells_the_same_of_runs_and_of_experiments(grid: Workspace) -> None:
    command = ("unroll", "compare", "--where", "train.epochs=2", "--metric", "test/macro_f1", "--against", "gru")
    of_runs, of_experiments = (read_csv(grid, *command, "--from", source) for source in ("mlflow", "dvc"))
    assert of_runs == of_experiments  # seconds included
    scores = {cell: [] for cell in ("gru", "lstm", "rnn")}
    for run in sorted(list_runs(grid).values(), key=lambda run: run.data.params["train.seed"]):
        scores[run.data.params["model.cell"]].append(run.data.metrics["test/macro_f1"])
    *of_networks, of_baseline = of_runs
    linear = find_baseline(grid).data.metrics
    assert (of_baseline["model.cell"], of_baseline["runs"]) == ("baseline", "1")
    assert float(of_baseline["test/macro_f1 mean"]) == linear["test/macro_f1"]
    for row, (cell, values) in zip(of_networks, scores.items(), strict=True):
        expected = mean(values) - linear["test/macro_f1"]
        assert float(row["test/over_baseline mean"]) == pytest.approx(expected, abs=2e-6)
        assert float(row["test/over_baseline_low mean"]) < expected < float(row["test/over_baseline_high mean"])
        assert (row["model.cell"], row["runs"], row["seeds"], row["pairs"]) == (cell, "2", "2", "2")
        assert float(row["test/macro_f1 mean"]) == pytest.approx(mean(values))
        assert float(row["test/macro_f1 sd"]) == pytest.approx(stdev(values))
        assert float(row["seconds mean"]) > 0
        if cell != "gru":
            expected = mean(a - b for a, b in zip(values, scores["gru"], strict=True))
            assert float(row["test/macro_f1 difference"]) == pytest.approx(expected)
    parameters = {row["model.cell"]: float(row["parameters mean"]) for row in of_networks}
    assert parameters["rnn"] < parameters["gru"] < parameters["lstm"]
    table = grid.run(*command, "--format", "markdown").stdout
    assert f"| gru | 2 | 2 | {mean(scores['gru']):.4f} ± {stdev(scores['gru']):.4f} |" in table


def test_unroll_compare_names_what_it_cannot_find(grid: Workspace) -> None:
    for arguments, message in (
        (("--by", "model.cel"), "model.cel is a parameter of no result: did you mean model.cell?"),
        (("--where", "model.cell=["), "--where model.cell=[: expected NAME=VALUE"),
    ):
        result = grid.run("unroll", "compare", *arguments, check=False)
        assert result.returncode == 1
        assert f"error: {message}" in result.stdout
        assert "Traceback" not in result.stdout


def test_unroll_compare_tells_of_a_store_that_fails_in_one_line(grid: Workspace, tmp_path: Path) -> None:
    """The store answers at first, but its runs cannot be read."""
    shutil.copy2(grid.path / "mlflow.db", tmp_path / "broken.db")
    with closing(sqlite3.connect(tmp_path / "broken.db")) as database:
        database.execute("ALTER TABLE latest_metrics RENAME COLUMN value TO other")
    uri = f"sqlite:///{tmp_path / 'broken.db'}"
    result = grid.run("unroll", "compare", "--from", "dvc", check=False, MLFLOW_TRACKING_URI=uri)
    assert result.returncode == 1
    assert result.stdout.startswith(f"error: MLflow's store {uri} cannot be used: mend it")
    assert result.stdout.count("\n") == 1


def test_unroll_compare_counts_what_it_leaves_out(grid: Workspace) -> None:
    """Git stores no training's seconds: those of the branch main were lost with its database."""
    output = grid.run("unroll", "compare", "--from", "dvc", "--metric", "seconds", "--by", "train.epochs").stdout
    assert "note: 1 of 7 results are left out, as they lack a metric of seconds\n" in output


def test_experiments_are_kept_in_the_history_as_the_docs_say(grid: Workspace, tmp_path: Path) -> None:
    (keep,) = re.findall(r"^dvc exp list .*$", (ROOT / "docs" / "experiments.md").read_text(), re.MULTILINE)
    workspace = grid.copy_to(tmp_path / "repository")
    names, head = list_names(workspace), workspace.run("git", "rev-parse", "HEAD^{tree}").stdout
    workspace.run("bash", "-c", keep)
    assert workspace.run("git", "rev-parse", "HEAD^{tree}").stdout == head  # no file is another
    workspace.run("dvc", "exp", "remove", *names)
    merged = workspace.run("git", "rev-parse", "HEAD").stdout
    workspace.run("bash", "-c", keep)  # now there are none: nothing must be merged
    assert workspace.run("git", "rev-parse", "HEAD").stdout == merged
    shown = workspace.run("unroll", "compare", "--commit", "HEAD~1", "--where", "train.epochs=2", "--format", "csv")
    assert [line.split(",")[:2] for line in shown.stdout.splitlines()[1:4]] == [
        ["gru", "2"],
        ["lstm", "2"],
        ["rnn", "2"],
    ]


def test_dvc_shows_compares_applies_and_branches(grid: Workspace, tmp_path: Path) -> None:
    workspace = grid.copy_to(tmp_path / "repository")
    first, second = list_names(workspace)[:2]
    shown = workspace.run("dvc", "exp", "show", "--csv").stdout
    assert first in shown and second in shown
    assert "macro_f1" in workspace.run("dvc", "exp", "diff", first, second).stdout
    assert "macro_f1" in workspace.run("dvc", "metrics", "diff", first, second).stdout
    workspace.run("dvc", "plots", "diff", first, second)
    page = (workspace.path / "dvc_plots" / "index.html").read_text()
    assert first in page and second in page
    workspace.run("dvc", "exp", "branch", first, "kept")
    workspace.run("dvc", "exp", "apply", second)
    assert "up to date" in workspace.run("dvc", "status").stdout
    rows = read_overview(workspace)
    assert rows["kept"] == rows[first] | {"name": "kept", "kind": "branch"}
