"""MLflow: what a run holds, and how evaluation finds the run of its training. The store is real SQLite."""

import json
import os
import re
import socket
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from ruamel.yaml import YAML

from builders import NOT_PORTABLE
from tracing import run_stages
from unroll.params.common import flatten_params
from unroll.params.texts import read_text_params
from unroll.text.tokens import load_tokens
from unroll.tracking.baseline import log_baseline
from unroll.tracking.store import connect
from workspaces import STAGES, Workspace, find_model, list_networks, set_params

pytestmark = pytest.mark.slow
FITTED = ("c", "parameters", "temperature", "val_macro_f1")  # what metrics/baseline.json has beside test scores


def make_client(workspace: Workspace) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{workspace.path / 'mlflow.db'}")


def list_all_runs(workspace: Workspace) -> list[Run]:
    """Return the runs, oldest first."""
    client = make_client(workspace)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, order_by=["attributes.start_time ASC"])


def list_runs(workspace: Workspace) -> list[Run]:
    """Return the runs of networks, oldest first."""
    return list_networks(list_all_runs(workspace))


def list_baselines(workspace: Workspace) -> list[Run]:
    return [run for run in list_all_runs(workspace) if run.data.tags.get("model") == "linear"]


def flatten_scores(workspace: Workspace, files: tuple[str, str] = ("test", "per_class")) -> dict[str, float]:
    """Return what stands in metrics/test.json and metrics/per_class.json under MLflow's names."""
    scores, per_class = (json.loads((workspace.path / f"metrics/{name}.json").read_text()) for name in files)
    named = {f"test/{name}": value for name, value in scores.items()}
    for average in ("macro", "weighted"):
        named |= {f"test/{average}_{name}": value for name, value in per_class[average].items()}
    classes = per_class["classes"].items()
    return named | {
        f"test/{label}/{name}": value
        for label, values in classes
        for name, value in values.items()
        if name != "support"
    }


def test_a_run_holds_parameters_curves_scores_files_picture_and_model(reproduced: Workspace) -> None:
    (run,) = list_runs(reproduced)
    params = flatten_params(read_text_params(reproduced.path / "params.yaml"))
    claimed = {"tracking.test_md5": run.data.tags["test_md5"]}
    assert run.data.params == {name: str(value) for name, value in params.items()} | claimed
    found = {name: value for name, value in run.data.metrics.items() if name.startswith("test/")}
    assert found == flatten_scores(reproduced)

    train = json.loads((reproduced.path / "metrics/train.json").read_text())
    curve = make_client(reproduced).get_metric_history(run.info.run_id, "curve/val_loss")
    history = pd.read_csv(reproduced.path / "metrics/plots/history.csv")
    assert [point.step for point in curve] == history["epoch"].tolist() == list(range(1, train["epochs"] + 1))
    assert [point.value for point in curve] == history["val_loss"].tolist()
    assert run.data.metrics["best/val_loss"] == train["val_loss"]
    assert run.data.metrics["parameters"] == train["parameters"]
    assert run.data.metrics["seconds"] > 0
    assert {"curve/val_macro_f1", "curve/train_loss", "curve/learning_rate", "curve/gradient_norm"} <= set(
        run.data.metrics
    )

    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert artifacts.is_relative_to(reproduced.path.parent)
    for name in ("learning_curves", "confusion_matrix", "precision_recall", "reliability"):
        assert (artifacts / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    mistakes = json.loads((artifacts / "mistakes.json").read_text())
    assert mistakes["columns"] == ["text", "actual", "predicted", "confidence", "part", "row"]
    assert 50 < len(mistakes["data"]) <= 100
    assert all(actual != predicted for _, actual, predicted, *_ in mistakes["data"])
    for name in ("metrics/test.json", "metrics/train.json", "plots/history.csv"):
        assert (artifacts / name).read_bytes() == (
            reproduced.path / "metrics" / name.removeprefix("metrics/")
        ).read_bytes()


def test_the_baseline_has_a_run_of_its_own(reproduced: Workspace) -> None:
    (run,), (network,) = list_baselines(reproduced), list_runs(reproduced)
    lock = YAML(typ="safe").load(reproduced.path / "dvc.lock")["stages"]
    outputs = {out["path"]: out["md5"] for out in lock["baseline"]["outs"]}
    assert run.data.tags["baseline_md5"] == outputs["metrics/baseline.json"]
    assert run.info.run_name == f"baseline-{outputs['metrics/baseline.json'][:7]}"
    assert (run.info.status, "restored" in run.data.tags) == ("FINISHED", False)
    assert {name for name in run.data.tags if name.startswith("dvc.md5.")} == {
        f"dvc.md5.data/{name}" for name in ("raw", "clean", "splits")
    }
    # The parameters of its stage and of those before it, as dvc.yaml has them, and what validation chose.
    stages = YAML(typ="safe").load(reproduced.path / "dvc.yaml")["stages"]
    wanted = [name for stage in ("download", "preprocess", "split", "baseline") for name in stages[stage]["params"]]
    linear = json.loads((reproduced.path / "metrics/baseline.json").read_text())
    chosen = {f"baseline.{name}": str(linear[name]) for name in ("c", "temperature")}
    assert run.data.params.items() <= (network.data.params | chosen).items()
    assert run.data.params.keys() == chosen.keys() | {
        name for name in network.data.params if any(name == part or name.startswith(f"{part}.") for part in wanted)
    }
    expected = flatten_scores(reproduced, ("baseline", "baseline_per_class"))
    expected = {name: value for name, value in expected.items() if name.split("/")[1] not in FITTED}
    fitted = {"best/val_macro_f1": linear["val_macro_f1"], "parameters": linear["parameters"]}
    assert run.data.metrics == expected | fitted | {"seconds": run.data.metrics["seconds"]}
    over = {f"test/over_baseline{end}" for end in ("", "_low", "_high")}
    assert run.data.metrics.keys() | over <= network.data.metrics.keys()
    assert len(run.outputs.model_outputs) == 1


def test_logging_leaves_mlflow_as_it_was(quick: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(quick.path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # where the store is
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params = read_text_params()
    log_baseline(connect(params.tracking.experiment), params, load_tokens(Path("data/tokens"), "val"))
    # MLflow's functions lead to where they led before.
    assert "MLFLOW_REGISTRY_URI" not in os.environ and not mlflow.tracking.is_tracking_uri_set()


@pytest.mark.exhaustive
def test_another_baseline_leaves_the_differences_to_the_one_before(workspace: Workspace) -> None:
    (first,), (linear,) = list_runs(workspace), list_baselines(workspace)
    workspace.change(
        "CANDIDATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)", "CANDIDATES = (0.001,)", "src/unroll/linear/fit.py"
    )
    assert workspace.stages_run("dvc", "repro") == ["baseline", "evaluate"]
    again, second = list_runs(workspace)
    assert again.data.to_dictionary() == first.data.to_dictionary()
    assert second.data.metrics["test/macro_f1"] == first.data.metrics["test/macro_f1"]
    assert second.data.metrics["test/over_baseline"] > first.data.metrics["test/over_baseline"]
    old, new = list_baselines(workspace)
    assert old.data.to_dictionary() == linear.data.to_dictionary()
    assert new.data.params["baseline.c"] == "0.001"
    workspace.commit()
    rows = workspace.run("unroll", "runs").stdout
    assert [len(re.findall(kind, rows)) for kind in (" baseline ", "mismatch")] == [2, 0]
    # One baseline, and the differences to it: the later ones.
    tables = [workspace.run("unroll", "compare", "--from", source).stdout for source in ("mlflow", "dvc")]
    for table in tables:
        (line,) = re.findall(r"^ baseline .*", table, re.MULTILINE)
        assert f"{new.data.metrics['test/macro_f1']:.4f}" in line
        assert f"{second.data.metrics['test/over_baseline']:+.4f}" in table


def test_the_lock_file_leads_to_the_run_and_back(reproduced: Workspace) -> None:
    lock = YAML(typ="safe").load(reproduced.path / "dvc.lock")
    outputs = {out["path"]: out["md5"] for out in lock["stages"]["train"]["outs"]}
    (run,) = list_runs(reproduced)
    tokenized = {out["path"]: out["md5"] for out in lock["stages"]["tokenize"]["outs"]}
    tested = {out["path"]: out["md5"] for out in lock["stages"]["evaluate"]["outs"]}
    assert run.data.tags["model_md5"] == outputs["models/model.safetensors"]
    assert run.data.tags["test_md5"] == tested["metrics/test.json"]
    assert run.data.tags["dvc.md5.data/tokens"] == tokenized["data/tokens"]
    assert run.info.run_name == f"gru-{outputs['models/model.safetensors'][:7]}"
    assert run.info.run_id not in (reproduced.path / "dvc.lock").read_text()


def test_the_logged_model_answers_as_the_pipeline_does_without_pickle(
    reproduced: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unroll.inference.classifier import load_classifier

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{reproduced.path / 'mlflow.db'}")
    (run,) = list_runs(reproduced)
    (output,) = run.outputs.model_outputs
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{output.model_id}"))
    assert [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pt", ".pth", ".bin")] == []
    texts = ["Shares fall on profit warning", "Striker scores twice in cup final"]
    model = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    expected = load_classifier(reproduced.path / "models").tabulate(texts)
    pd.testing.assert_frame_equal(model.predict(texts), expected)


def test_an_experiment_is_a_run_and_done_again_its_name_is_added_to_that_run(workspace: Workspace) -> None:
    (before,) = list_runs(workspace)
    workspace.run("dvc", "exp", "run", "--name", "second", "-S", "train.epochs=1")
    first, second = list_runs(workspace)
    assert first.data.to_dictionary() == before.data.to_dictionary()
    assert (second.info.run_name, second.data.tags["dvc.experiments"]) == ("second", "second")
    assert flatten_scores(workspace).items() <= second.data.metrics.items()
    workspace.run("git", "checkout", "--quiet", ".")
    workspace.run("dvc", "checkout")
    workspace.run("dvc", "exp", "remove", "second")
    assert workspace.stages_run("dvc", "exp", "run", "--name", "third", "-S", "train.epochs=1") == ["evaluate"]
    names = [run.data.tags.get("dvc.experiments") for run in list_runs(workspace)]
    assert names == [None, "second, third"]


def test_a_fresh_clone_that_pulls_runs_nothing_and_gets_a_restored_run_when_it_evaluates(
    reproduced: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    workspace.commit()
    workspace.run("dvc", "push")
    workspace.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Workspace(tmp_path / "clone")
    clone.run("dvc", "pull")
    assert clone.stages_run("dvc", "repro") == []
    assert not (clone.path / "mlflow.db").exists()
    assert clone.stages_run("dvc", "repro", "--force", "--single-item", "evaluate") == ["evaluate"]
    (original,), (run,) = list_runs(reproduced), list_runs(clone)
    assert run.info.status == "FINISHED"
    assert run.data.tags["restored"] == "true"
    assert run.data.tags["model_md5"] == original.data.tags["model_md5"]
    assert run.data.params == original.data.params
    unknown = {"seconds", "curve/examples_per_second"}
    known = {name: value for name, value in original.data.metrics.items() if name not in unknown}
    assert run.data.metrics == known
    curves = [
        [point.value for point in make_client(repository).get_metric_history(found.info.run_id, "curve/val_loss")]
        for repository, found in ((reproduced, original), (clone, run))
    ]
    assert curves[0] == curves[1]
    assert len(run.outputs.model_outputs) == 1
    clone.run("dvc", "repro", "--force", "--single-item", "evaluate")  # now there is a run to be found
    assert [found.info.run_id for found in list_runs(clone)] == [run.info.run_id]
    (known,), (baseline,) = list_baselines(reproduced), list_baselines(clone)
    assert baseline.data.tags["restored"] == "true"
    assert baseline.data.params == known.data.params
    assert baseline.data.metrics.items() == known.data.metrics.items() - {("seconds", known.data.metrics["seconds"])}


def test_a_database_elsewhere(workspace: Workspace, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    workspace.run("python", "-m", "unroll.stages.evaluate", MLFLOW_TRACKING_URI=uri)
    assert (tmp_path / "other.db").is_file()
    (untouched,) = list_runs(workspace)
    assert "restored" not in untouched.data.tags


@pytest.mark.parametrize(("error", "status"), [("RuntimeError", "FAILED"), ("KeyboardInterrupt", "KILLED")])
def test_a_training_that_does_not_end_well_is_marked(quick_workspace: Workspace, error: str, status: str) -> None:
    quick_workspace.change("enabled: false", "enabled: true")
    quick_workspace.change(
        "        training = train(",
        f"        raise {error}('no room')\n        training = train(",
        file="src/unroll/stages/recipe.py",
    )
    result = quick_workspace.run("dvc", "repro", check=False)
    assert result.returncode != 0
    assert ("interrupted" if status == "KILLED" else f"{error}: no room") in result.stdout  # a bug shows its traceback
    failed = list_runs(quick_workspace)[-1]
    assert failed.info.status == status
    assert failed.data.tags["failure"] == f"{error}: no room"


def test_a_training_that_went_wrong_is_tagged(quick_workspace: Workspace) -> None:
    set_params(quick_workspace, "tracking", enabled=True)
    set_params(quick_workspace, "model", hidden_size=1, ngrams=0)
    set_params(quick_workspace, "train", learning_rate=1e-9)
    tokens = quick_workspace.path / "metrics/tokens.json"
    tokens.write_text(json.dumps(json.loads(tokens.read_text()) | {"val": {"cut": 0, "unknown": 0.9}}))
    output = quick_workspace.run("dvc", "repro", "--single-item", "train").stdout
    told = json.loads((quick_workspace.path / "metrics/train.json").read_text())["warnings"]
    assert "90.0% of the validation tokens are unknown: try tokenize.level = char" in told
    assert "never predicted in validation: " in told
    assert all(f"warning: {symptom}\n" in output for symptom in told.split("; "))
    assert list_runs(quick_workspace)[-1].data.tags["warnings"] == told


WATCHED = """
import atexit, runpy, sys

asked = []
atexit.register(lambda: print("asked for", asked))  # the first to be registered is the last to be called
sys.addaudithook(lambda event, values: asked.append(values) if event == "socket.getaddrinfo" else None)
runpy.run_module("unroll.stages.train", run_name="__main__")
"""


def test_a_run_reaches_for_no_network(quick_workspace: Workspace) -> None:
    """MLflow would report to its makers, except in what it takes for a test."""
    set_params(quick_workspace, "tracking", enabled=True)
    unset = [part for name in ("CI", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER") for part in ("-u", name)]
    output = quick_workspace.run("env", *unset, "python", "-c", WATCHED, PYTHONPATH="src").stdout
    assert output.endswith("asked for []\n")


def test_parallel_first_runs_do_not_race_for_the_store(quick_workspace: Workspace) -> None:
    """Four processes start at once with a store that does not exist yet."""
    quick_workspace.forget_runs()
    script = "from unroll.tracking.store import connect; print('experiment', connect('headlines').experiment_id)"
    start, wait = f'python -c "{script}" & pids="$pids $!"', "wait $pid || exit 1"
    command = f"for n in 1 2 3 4; do {start}; done; for pid in $pids; do {wait}; done"
    output = quick_workspace.run("bash", "-c", command).stdout
    assert output.count("experiment ") == 4
    assert len({line for line in output.splitlines() if line.startswith("experiment ")}) == 1


@pytest.mark.parametrize("stage", ["baseline", "evaluate"])
def test_a_server_that_is_not_there_is_told_within_seconds(quick_workspace: Workspace, stage: str) -> None:
    quick_workspace.change("enabled: false", "enabled: true")
    with socket.socket() as taken:  # bound but not listening: connections to it are refused
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        result = quick_workspace.run("python", "-m", f"unroll.stages.{stage}", check=False, MLFLOW_TRACKING_URI=uri)
    assert time.monotonic() - started < 60  # MLflow itself would take minutes; importing and other tests, seconds
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    assert f"MLflow's store {uri} cannot be used: start the server, or set tracking.enabled=false" in line
    assert "Traceback" not in result.stdout


def test_a_deleted_experiment_is_told(quick_workspace: Workspace) -> None:
    client = make_client(quick_workspace)
    client.delete_experiment(client.get_experiment_by_name("headlines").experiment_id)
    quick_workspace.change("enabled: false", "enabled: true")
    result = quick_workspace.run("python", "-m", "unroll.stages.evaluate", check=False)
    assert result.returncode == 1
    assert "error: tracking.experiment = 'headlines' is deleted in sqlite:///" in result.stdout


def test_tracking_can_be_switched_off(quick: Workspace) -> None:
    """`quick` was trained with `tracking.enabled: false`: its database holds the first network and the baseline."""
    assert len(list_all_runs(quick)) == 2


def test_a_run_says_where_it_comes_from(reproduced: Workspace) -> None:
    (run,) = list_runs(reproduced)
    tags = run.data.tags
    assert tags["mlflow.source.git.commit"] == reproduced.run("git", "rev-parse", "HEAD~1").stdout.strip()
    assert tags["git.dirty"] == "false"  # what the stages write while they run is no change
    assert tags["threads"] == "1" and tags["device"]
    assert tags["portable"] == (f"no, as {NOT_PORTABLE}" if NOT_PORTABLE else "yes")
    installed = reproduced.run("python", "-c", "import torch; print(torch.__version__)").stdout
    assert tags["version.torch"] == installed.strip()
    inputs = {found.tags[0].value: found.dataset for found in run.inputs.dataset_inputs}
    assert {name: json.loads(found.profile)["num_rows"] for name, found in inputs.items()} == {
        "train": 2016,
        "val": 432,
        "test": 432,
    }
    assert len({found.digest for found in inputs.values()}) == 3


@pytest.mark.exhaustive
def test_a_forced_training_is_a_run_of_its_own_with_system_metrics_when_asked(workspace: Workspace) -> None:
    (first,) = list_runs(workspace)
    workspace.change("system_metrics: false", "system_metrics: true")  # which is no other training
    workspace.run("dvc", "repro", "--force", "--single-item", "train")
    workspace.run("dvc", "repro", "--force", "--single-item", "evaluate")
    again, second = list_runs(workspace)
    assert again.data.metrics == first.data.metrics
    assert second.data.tags["model_md5"] == first.data.tags["model_md5"]
    assert flatten_scores(workspace).items() <= second.data.metrics.items()
    assert second.data.metrics["system/cpu_utilization_percentage"] > 0
    assert not any(name.startswith("system/") for name in first.data.metrics)
    assert (second.data.tags["git.dirty"], second.data.tags["git.changed"]) == ("true", "params.yaml")


def test_another_way_to_evaluate_is_a_run_of_its_own(workspace: Workspace) -> None:
    (first,) = list_runs(workspace)
    command = ("dvc", "exp", "run", "--name", "bins", "-S", "evaluate.calibration_bins=7")
    assert workspace.stages_run(*command) == ["baseline", "evaluate"]  # their scores stay comparable
    again, second = list_runs(workspace)
    assert again.data.to_dictionary() == first.data.to_dictionary()
    assert (second.info.run_name, second.data.tags["restored"]) == ("bins", "true")
    assert second.data.params["evaluate.calibration_bins"] == "7"
    assert flatten_scores(workspace).items() <= second.data.metrics.items()
    assert second.data.metrics["test/calibration_error"] != first.data.metrics["test/calibration_error"]
    bins = [run.data.params["evaluate.calibration_bins"] for run in list_baselines(workspace)]
    assert bins == ["10", "7"]


@pytest.mark.exhaustive
def test_two_experiments_with_the_same_model_keep_their_own_runs_and_share_a_version(workspace: Workspace) -> None:
    for name, patience in (("patient", 4), ("hasty", 2)):
        changes = ("-S", "train.epochs=1", "-S", f"train.patience={patience}")
        workspace.run("dvc", "exp", "run", "--temp", "--name", name, *changes)
    runs = {run.info.run_name: run for run in list_runs(workspace)}
    assert runs["patient"].data.tags["model_md5"] == runs["hasty"].data.tags["model_md5"]
    for name, patience in (("patient", "4"), ("hasty", "2")):
        assert runs[name].data.params["train.patience"] == patience
        assert runs[name].data.tags["dvc.experiments"] == name
        assert runs[name].data.tags["test_md5"]
    # One, the first model, and the linear one.
    assert len(make_client(workspace).search_model_versions("name = 'headlines'")) == 3


@pytest.mark.exhaustive
def test_the_champion_is_the_best_on_the_validation_rows_of_the_latest_training(workspace: Workspace) -> None:
    def find_champion() -> str:
        return make_client(workspace).get_model_version_by_alias("headlines", "champion").run_id

    runs = [*list_runs(workspace), *list_baselines(workspace)]
    best = max(runs, key=lambda run: run.data.metrics["best/val_macro_f1"]).info.run_id
    workspace.run("dvc", "exp", "run", "--temp", "--name", "worse", "-S", "train.epochs=1")
    assert find_champion() == best
    # Other validation rows: scores cannot be compared with those before.
    workspace.run("dvc", "exp", "run", "--temp", "--name", "other", "-S", "split.seed=2", "-S", "train.epochs=1")
    assert find_champion() not in {run.info.run_id for run in runs}
    workspace.run("dvc", "exp", "run", "--temp", "--name", "worst", "-S", "train.epochs=1", "-S", "model.hidden_size=4")
    assert find_champion() == best


def test_a_version_is_all_of_models_and_the_validation_rows(
    quick_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights stay the same: those shares leave the training rows alone, and a class gets another name."""
    workspace = quick_workspace
    set_params(workspace, "tracking", enabled=True)

    def run_experiment(name: str, *stages: str) -> ModelVersion:
        assert "warning" not in run_stages(workspace.path, *stages, DVC_EXP_NAME=name)
        own = {run.info.run_name: run for run in list_runs(workspace)}[name].info.run_id
        client = make_client(workspace)
        (version,) = client.search_model_versions(f"name = 'headlines' and run_id = '{own}'")
        champion = client.get_model_version_by_alias("headlines", "champion")
        assert champion.tags["val_rows"] == version.tags["val_rows"]
        return version

    first = run_experiment("first", "train", "evaluate")
    set_params(workspace, "split", val=0.2, test=0.1)
    other_rows = run_experiment("other-rows", "split", "tokenize", "baseline", "train", "evaluate")
    set_params(workspace, "split", val=0.15, test=0.15)
    table = (workspace.path / "data/sample/headlines.csv").read_text().replace(",Sci/Tech", ",Science")
    (workspace.path / "mine.csv").write_text(table)
    set_params(workspace, "data", dataset="csv", file="mine.csv")
    renamed = run_experiment("renamed", *STAGES)
    assert len({version.tags["model_md5"] for version in (first, other_rows, renamed)}) == 1
    assert len({version.tags["val_rows"] for version in (first, other_rows, renamed)}) == 3
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace.path / 'mlflow.db'}")
    answer = mlflow.pyfunc.load_model("models:/headlines@champion").predict(["A new telescope"])
    assert "probability_Science" in answer and "probability_Sci/Tech" not in answer


def test_an_experiment_that_changes_no_output_has_its_run_all_the_same(workspace: Workspace) -> None:
    command = ("dvc", "exp", "run", "--temp", "--name", "same", "-S", "tokenize.vocabulary_size=200000")
    assert workspace.stages_run(*command) == ["tokenize", "evaluate"]
    first, own = list_runs(workspace)
    assert (own.info.run_name, own.data.tags["restored"]) == ("same", "true")
    assert own.data.params["tokenize.vocabulary_size"] == "200000"
    assert own.data.tags["model_md5"] == first.data.tags["model_md5"]
    assert len(make_client(workspace).search_model_versions("name = 'headlines'")) == 2  # it and the linear one
    table = workspace.run("unroll", "runs", "--format", "csv").stdout
    assert own.info.run_id in table and "no run" not in table


def test_whatever_fails_in_tracking_does_not_end_a_training(quick_workspace: Workspace) -> None:
    """Even at the end, since the training may have taken hours; the next evaluation reports the reason."""
    set_params(quick_workspace, "tracking", enabled=True)
    registering = "        choose_champion(client, name, standing.val_rows)\n"
    quick_workspace.change(registering, "        raise ValueError('a bug')\n", "src/unroll/tracking/registry.py")
    output = run_stages(quick_workspace.path, "train")
    assert "mlflow.db was lost (ValueError: a bug): its run lacks scores and model" in output
    assert "Traceback" not in output
    failed = quick_workspace.run("python", "-m", "unroll.stages.evaluate", check=False, PYTHONPATH="src")
    assert "ValueError: a bug" in failed.stdout


@pytest.mark.parametrize("cell", ["gru", "linear"])
def test_a_version_answers_as_unroll_predict_does(
    cell: str, reproduced: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unroll.inference.classifier import load_classifier

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{reproduced.path / 'mlflow.db'}")
    texts = ["Shares fall on profit warning", "Striker scores twice in cup final"]
    versions = {found.tags["cell"]: found for found in make_client(reproduced).search_model_versions()}
    assert set(versions) == {"gru", "linear"}
    assert versions[cell].description.startswith(f"{cell}, validation macro-F1 0.")
    classifier = load_classifier(find_model(reproduced, versions[cell]))
    model = mlflow.pyfunc.load_model(f"models:/headlines/{versions[cell].version}")
    pd.testing.assert_frame_equal(model.predict(texts), classifier.tabulate(texts))
    with_empty = model.predict([*texts, "!"])
    assert with_empty.iloc[2].tolist() == ["", None, None, None, None]
    expected = classifier.tabulate([*texts, "!"])
    pd.testing.assert_frame_equal(with_empty.astype(expected.dtypes), expected)
    outputs = [column.name for column in model.metadata.get_output_schema()]
    assert outputs == ["prediction", *(f"probability_{name}" for name in ("Business", "Sci/Tech", "Sports", "World"))]
