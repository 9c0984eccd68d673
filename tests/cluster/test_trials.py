"""A real training is stopped on a real worker's machine when its epochs in MLflow are too bad."""

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unroll.cluster.pruning import LOSS, find_pruned
from unroll.cluster.spread import open_client
from unroll.cluster.trials import PRUNED, SEARCH, find_pruned_curve, find_runs, read_epochs, stop_early, tag_runs
from unroll.tracking.heartbeat import FAILURE
from unroll.tracking.store import connect
from workspaces import Workspace, make_environment, set_params

pytestmark = pytest.mark.slow


@pytest.fixture
def training(
    pristine: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator["subprocess.Popen[bytes]"]:
    """A training of the experiment `slow` that would take hours; the current folder is its pipeline's."""
    pipeline = Workspace(pristine.copy_to(tmp_path / "repository").path / "pipelines" / "hello")
    set_params(pipeline, "model", hidden_size=1000)
    set_params(pipeline, "train", epochs=1_000_000, patience=1_000_000)
    environment = make_environment() | {"PYTHONPATH": "../../src", "DVC_EXP_NAME": "slow"}
    command = [sys.executable, "-m", "unroll.stages.hello.generate"]
    subprocess.run(command, cwd=pipeline.path, env=environment, check=True)
    monkeypatch.chdir(pipeline.path)
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    connect("hello")  # or both would create the store
    command = [sys.executable, "-m", "unroll.stages.train_sequences"]
    with subprocess.Popen(command, cwd=pipeline.path, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_bad_training_is_stopped_and_its_run_says_why(training: "subprocess.Popen[bytes]") -> None:
    store = connect("hello")
    limits = [-math.inf, -math.inf, math.inf, math.inf]
    with open_client(None, 1) as client, stop_early(client, store, {"slow", "other"}, limits, LOSS):
        assert training.wait(120) == 130  # it was asked to end, as by Ctrl-C
    runs = find_runs(store, {"slow", "other"})
    (run,) = runs["slow"]
    assert runs["other"] == [] and run.info.status == "KILLED"
    epochs = read_epochs(store, run.info.run_id, LOSS)
    assert len(epochs) > 3 and find_pruned(epochs, limits, LOSS) == 3
    assert find_pruned_curve(store, runs["slow"], limits, LOSS) == epochs[:3]
    assert find_pruned_curve(store, runs["slow"], limits[:2], LOSS) == []
    tag_runs(store, "search-1a2b3c4", runs, {"slow": 3})
    tags = store.client.get_run(run.info.run_id).data.tags
    assert (tags[SEARCH], tags[PRUNED]) == ("search-1a2b3c4", "at epoch 3 of search-1a2b3c4")
    assert tags[FAILURE] == "pruned at epoch 3 of search-1a2b3c4"
