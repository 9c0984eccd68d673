"""Eight clones that log the same at the same time, to a server on either database, and to a database itself."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from clones import log_at_once
from servers import serve, start_postgres
from workspaces import Workspace, find_free_port, list_networks

pytestmark = pytest.mark.slow
SEVERAL, SAME = [0, 0, 0, 0, 1, 1, 2, 2], [0] * 8  # the model of each clone


@contextmanager
def open_store(kind: str, folder: Path) -> Iterator[str]:
    """Yield the address of an empty store."""
    with ExitStack() as stack:
        if kind == "database":
            yield f"sqlite:///{folder / 'shared.db'}"
            return
        database = stack.enter_context(start_postgres()) if kind == "postgresql" else "sqlite:///server.db"
        port = find_free_port()
        stack.enter_context(serve(folder, port, database))
        uri = f"http://127.0.0.1:{port}"
        MlflowClient(tracking_uri=uri).search_experiments()  # until it has imported what it needs
        yield uri


def list_runs(client: MlflowClient) -> list[Run]:
    (experiment,) = client.search_experiments(filter_string="name = 'headlines'")
    return client.search_runs([experiment.experiment_id])


def log_well(reproduced: Workspace, folder: Path, uri: str, models: Sequence[int]) -> None:
    """Log from a clone for each model; fail with what they printed unless all end well and without a warning."""
    ends = log_at_once(reproduced, folder, uri, models)
    assert ends == [(0, "")] * len(models), "\n".join(output for _, output in ends)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("database", marks=pytest.mark.exhaustive),
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.exhaustive),
    ],
)
def test_what_clones_log_at_once_is_there_once(kind: str, reproduced: Workspace, tmp_path: Path) -> None:
    with open_store(kind, tmp_path) as uri:
        log_well(reproduced, tmp_path / "several", uri, SEVERAL)
        log_well(reproduced, tmp_path / "same", uri, SAME)  # whose run is there by now, without half of the names
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        runs = list_runs(client)
        assert {(run.info.status, run.data.tags["restored"]) for run in runs} == {("FINISHED", "true")}
        # A run for the baseline, and one for each network.
        assert len([run for run in runs if "baseline_md5" in run.data.tags]) == 1
        networks = list_networks(runs)
        names = sorted(sorted(run.data.tags["dvc.experiments"].split(", ")) for run in networks)
        assert names == [[f"clone-{number}" for number in clones] for clones in (range(8), (4, 5), (6, 7))]
        assert all(
            {"best/val_macro_f1", "test/macro_f1", "curve/val_loss"} <= set(run.data.metrics) for run in networks
        )
        assert all(
            len(run.outputs.model_outputs) == 1 for run in map(client.get_run, (run.info.run_id for run in runs))
        )
        # A version of each, and the best one is the champion.
        versions = client.search_model_versions("name = 'headlines'")
        assert sorted(version.run_id for version in versions) == sorted(run.info.run_id for run in runs)
        best = max(versions, key=lambda version: float(version.tags["val_macro_f1"]))
        assert best.tags["cell"] != "linear"
        assert client.get_model_version_by_alias("headlines", "champion").version == best.version


@pytest.mark.exhaustive
def test_what_a_killed_clone_leaves_is_never_taken_for_a_result(reproduced: Workspace, tmp_path: Path) -> None:
    """Each clone is killed a little later, in the baseline's run or the network's; the last one is not."""
    calls = [2, 5, 8, 12, 16, 24, 40, 0]  # of MLflow's client
    with open_store("database", tmp_path) as uri:
        ends = log_at_once(reproduced, tmp_path / "first", uri, SAME, calls)
        codes = [code for code, _ in ends]
        # The later ones may end before: they make fewer calls if they find what another one has made.
        assert codes[:3] == [-signal.SIGKILL] * 3 and codes[-1] == 0, "\n".join(output for _, output in ends)
        assert set(codes) == {-signal.SIGKILL, 0}
        log_well(reproduced, tmp_path / "again", uri, [0])  # it sees the dead, and finds what is complete
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        runs = list_runs(client)
        assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
        linked = [run for run in runs if {"baseline_md5", "model_md5"} & set(run.data.tags)]
        assert [run.info.status for run in linked] == ["FINISHED", "FINISHED"]
        (baseline,), (network,) = [run for run in linked if "baseline_md5" in run.data.tags], list_networks(linked)
        assert {"test/macro_f1", "best/val_macro_f1"} <= set(baseline.data.metrics)
        assert {"curve/val_loss", "test/macro_f1", "best/val_macro_f1"} <= set(network.data.metrics)
        assert {"clone-0", "clone-7"} <= set(network.data.tags["dvc.experiments"].split(", "))
        versions = client.search_model_versions("name = 'headlines'")
        assert sorted(version.tags["cell"] for version in versions) == ["gru", "linear"]
        for version in versions:
            assert client.get_logged_model(version.source.removeprefix("models:/")).status == "READY"
