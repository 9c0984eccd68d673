"""The MLflow run of a training, whatever happens to either. The store is real SQLite, the training a short one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import load_sequences
from unroll.sequences.params import SequenceParams, read_sequence_params
from unroll.stages import train_sequences
from unroll.stages.sine import evaluate, generate
from unroll.tracking import runs
from unroll.tracking import training as tracking
from unroll.tracking.heartbeat import SECONDS_UNTIL_DEAD, describe_life, describe_process
from unroll.tracking.store import connect
from unroll.tracking.training import start_training_run
from unroll.training.progress import Epoch, Training

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
EPOCH = Epoch(3, 0.5, 0.25, {"rmse": 0.125}, 0.01, 1.0, 0.0, 100.0)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    """The store of the current folder, where a short training and its evaluation are logged."""
    path = tmp_path_factory.mktemp("sine")
    params = YAML().load(ROOT / "pipelines/sine/params.yaml")
    params["train"].update(epochs=2, portable=False)  # this process has imported NumPy
    params["data"].update(series=20)
    YAML().dump(params, path / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_STAGE"):
            patch.delenv(name, raising=False)
        for stage in (generate, train_sequences, evaluate):
            stage.main()
        uri = f"sqlite:///{path / 'mlflow.db'}"
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)


def list_runs(client: MlflowClient) -> list[Run]:
    """Return the runs, the newest first."""
    return client.search_runs([client.get_experiment_by_name("sine").experiment_id])


def start() -> tuple[SequenceParams, dict]:
    return read_sequence_params(SequenceParams), {
        name: load_sequences(Path("data/sequences"), name) for name in SPLIT_NAMES
    }


def test_a_model_that_is_not_registered_is_a_folder_of_its_run(client: MlflowClient) -> None:
    run = list_runs(client)[-1]
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    for name in ("model.safetensors", "config.json", "checksums.json"):
        assert (artifacts / "model" / name).read_bytes() == (Path("models") / name).read_bytes()
    assert (artifacts / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert client.search_registered_models() == []
    scores = read_sequence_scores()
    assert {name: run.data.metrics[f"test/{name}"] for name in scores} == scores
    assert run.data.tags["mlflow.note.content"].startswith(
        f"rnn on sine: free-running RMSE **{scores['free_run_rmse']:.4f}**"
    )


def read_sequence_scores() -> dict[str, float]:
    return YAML(typ="safe").load(Path("metrics/test.json"))


@pytest.mark.parametrize(
    ("error", "status", "failure"),
    [
        (None, "FINISHED", None),
        (RuntimeError("no room"), "FAILED", "RuntimeError: no room"),
        (RuntimeError("http://me:secret@host"), "FAILED", "RuntimeError: http://…@host"),
        (RuntimeError("x" * 1000), "FAILED", f"RuntimeError: {'x' * 486}"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt: "),
    ],
)
def test_it_is_marked_as_what_became_of_it(
    client: MlflowClient, error: BaseException | None, status: str, failure: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "named")
    if error:
        with pytest.raises(type(error)), start_training_run(*start()) as training:
            training.log_epoch(EPOCH)
            raise error
    else:
        with start_training_run(*start()) as training:
            training.log_epoch(EPOCH)
    run = list_runs(client)[0]
    assert (run.info.status, run.data.tags.get("failure"), run.info.run_name) == (status, failure, "named")
    assert run.data.metrics["curve/train_loss"] == 0.5  # what waited to be sent is there


def test_its_parameters_and_name_are_there_from_the_beginning(client: MlflowClient) -> None:
    with start_training_run(*start()):
        run = list_runs(client)[0]
        assert (run.info.status, run.info.run_name) == ("RUNNING", "rnn (in training)")
        assert run.data.params["train.epochs"] == "2"
        assert len(run.inputs.dataset_inputs) == 3


@pytest.mark.parametrize(("seconds", "sent"), [(0, {3, 4}), (1000, set())])
def test_epochs_wait_to_be_sent_together(
    client: MlflowClient, seconds: int, sent: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "SECONDS_BETWEEN_BATCHES", seconds)
    with start_training_run(*start()) as training:
        for number in (3, 4):
            training.log_epoch(Epoch(number, *list(vars(EPOCH).values())[1:]))
        run_id = list_runs(client)[0].info.run_id
        assert {point.step for point in client.get_metric_history(run_id, "curve/val_rmse")} == sent
    assert [point.step for point in client.get_metric_history(run_id, "curve/val_rmse")] == [3, 4]


@pytest.mark.parametrize("is_back", [True, False])
def test_a_store_that_is_lost_does_not_stop_it(
    client: MlflowClient, is_back: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLflow accepts nothing for a run that somebody has deleted."""
    monkeypatch.setattr(tracking, "SECONDS_BETWEEN_BATCHES", 0)
    params, splits = start()
    with start_training_run(params, splits) as training:
        run_id = list_runs(client)[0].info.run_id
        client.delete_run(run_id)
        for _ in range(2):
            training.log_epoch(EPOCH)
        (warning,) = capsys.readouterr().err.splitlines()  # once, and not for every epoch
        assert warning.startswith("warning: MLflow's store sqlite:///") and " was lost (" in warning
        assert warning.endswith("): training goes on; what it logs is sent at its end")
        if is_back:
            client.restore_run(run_id)
        result = Training([EPOCH], EPOCH, {}, None, 12.345, resumed_after=2)
        training.finish(splits["val"], {"best_epoch": 3, "val_loss": 0.25}, result)
        told = capsys.readouterr().err
    if is_back:
        run = client.get_run(run_id)
        assert (told, run.info.status, run.data.tags["resumed_after_epoch"]) == ("", "FINISHED", "2")
        assert (run.data.metrics["seconds"], run.data.metrics["best/val_loss"]) == (12.35, 0.25)
        assert run.data.metrics["curve/train_loss"] == 0.5
    else:
        assert told.rstrip().endswith(
            "its run lacks the epochs from 3 on, scores and model; the next evaluation logs them to another one"
        )
        assert client.get_run(run_id).info.status == "RUNNING"


def test_a_run_whose_process_is_gone_is_marked_the_next_time(client: MlflowClient) -> None:
    (experiment,) = [found for found in client.search_experiments() if found.name == "sine"]
    host, _, started = describe_process().split()
    now = describe_life("")["heartbeat"]
    long_ago = str(int(now) - 2 * SECONDS_UNTIL_DEAD)
    left = {
        "gone": {"process": f"{host} 99999999 {started}", "heartbeat": now},
        "here": {"process": describe_process(), "heartbeat": long_ago},
        "silent": {"process": f"another.{host} 99999999 {started}", "heartbeat": long_ago},
        "elsewhere": {"process": f"another.{host} 99999999 {started}", "heartbeat": now},
    }
    made = {name: client.create_run(experiment.experiment_id, tags=tags).info.run_id for name, tags in left.items()}
    connect("sine")
    states = {name: client.get_run(run_id).info.status for name, run_id in made.items()}
    assert states == {"gone": "KILLED", "here": "RUNNING", "silent": "KILLED", "elsewhere": "RUNNING"}
    assert client.get_run(made["gone"]).data.tags["failure"] == "the process ended before it could say why"


def test_all_runs_are_listed_page_by_page(client: MlflowClient) -> None:
    class SmallPages:
        """The same store, with two runs per page."""

        def search_runs(self, experiments: list[str], page_token: str | None = None):
            return client.search_runs(experiments, max_results=2, page_token=page_token)

    store = connect("sine")
    for _ in range(3):
        client.create_run(store.experiment_id)
    found = runs.list_runs(replace(store, client=SmallPages()))
    assert [run.info.run_id for run in found] == [run.info.run_id for run in list_runs(client)]
    assert len(found) > 3


def test_the_spread_of_a_forecast_is_that_of_its_errors(client: MlflowClient) -> None:
    first, second = np.array([[1.0], [3.0]], dtype=np.float32), np.array([[2.0], [1.0]])
    assert evaluate.compute_rmse(first, second) == pytest.approx(np.sqrt((1 + 4) / 2))
