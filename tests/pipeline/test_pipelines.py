"""The pipelines under pipelines/: offline on their defaults, as experiments, and on real data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from safetensors.numpy import load_file

from builders import NOT_PORTABLE
from tracing import run_stage, run_stages
from workspaces import Workspace, list_networks, set_params

pytestmark = pytest.mark.slow
NAMES = ("hello", "imdb", "mnist", "sin2cos", "sine")


def enter(workspace: Workspace, name: str) -> Workspace:
    """Return the workspace as seen from a pipeline's folder."""
    return Workspace(workspace.path / "pipelines" / name)


def read_metrics(workspace: Workspace, name: str = "test") -> dict:
    return json.loads((workspace.path / "metrics" / f"{name}.json").read_text())


def list_runs(root: Path, experiment: str):
    client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
    return list_networks(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def test_each_reaches_what_it_promises(all_pipelines: Workspace) -> None:
    scores = {name: read_metrics(enter(all_pipelines, name)) for name in NAMES}
    assert scores["hello"]["accuracy"] == 1 and 0 < scores["hello"]["epochs_until_right"] <= 20
    assert scores["sine"]["free_run_rmse"] <= 0.05
    assert scores["sin2cos"]["mse"] <= 0.01
    assert scores["mnist"]["accuracy"] >= 0.95
    assert scores["imdb"]["accuracy"] > 0.55  # mirrored pairs of reviews: hard on purpose
    for name, picture in (("sine", "forecast"), ("sin2cos", "fits"), ("mnist", "confused")):
        content = (enter(all_pipelines, name).path / "metrics" / "plots" / f"{picture}.png").read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 3_000


@pytest.mark.skipif(bool(NOT_PORTABLE), reason=f"the bytes may be others here: {NOT_PORTABLE}")
def test_all_pipelines_come_to_the_bytes_in_git(all_pipelines: Workspace) -> None:
    """Whatever processor computed those; so `make repro` leaves `git status` empty."""
    (first,) = all_pipelines.run("git", "rev-list", "--max-parents=0", "HEAD").stdout.split()
    assert all_pipelines.run("git", "diff", "--name-only", first, "HEAD").stdout == ""


def test_nothing_is_left_to_do(all_pipelines: Workspace) -> None:
    for name in NAMES:
        assert enter(all_pipelines, name).stages_run("dvc", "repro") == []
        assert "up to date" in enter(all_pipelines, name).run("dvc", "status").stdout


def test_each_is_a_dvc_repository_of_its_own(all_pipelines: Workspace, reproduced: Workspace) -> None:
    """So that commands work in one where the others have no data, and show nothing of them."""
    assert "up to date" in reproduced.run("dvc", "status").stdout
    assert "up to date" in reproduced.run("dvc", "checkout").stdout or not reproduced.run("dvc", "checkout").stdout
    for folder in (all_pipelines, enter(all_pipelines, "hello")):
        assert "pipelines/" not in folder.run("dvc", "metrics", "show").stdout
        assert "pipelines/" not in folder.run("dvc", "exp", "show", "--csv").stdout


def test_make_runs_them_all(pristine: Workspace) -> None:
    planned = pristine.run("make", "--dry-run", "repro-all").stdout
    assert "dvc repro\n" in planned and "for folder in pipelines/*/" in planned


def test_each_logs_to_an_experiment_of_its_own(all_pipelines: Workspace) -> None:
    for name in NAMES:
        (run,) = list_runs(all_pipelines.path, name)
        scores = read_metrics(enter(all_pipelines, name))
        assert run.info.status == "FINISHED"
        logged = {metric: value for metric, value in run.data.metrics.items() if metric.startswith("test/")}
        assert logged.items() >= {f"test/{metric}": value for metric, value in scores.items()}.items()
    for name in ("imdb", "sine"):  # of texts, and of sequences
        rows = enter(all_pipelines, name).run("unroll", "runs", "--format", "csv").stdout.splitlines()
        assert any(line.startswith("branch,main,") and ",finished," in line for line in rows)


@pytest.mark.parametrize("where", [("--temp",), pytest.param((), marks=pytest.mark.exhaustive)])
def test_an_experiment_in_a_pipelines_folder(all_pipelines: Workspace, tmp_path: Path, where: tuple[str, ...]) -> None:
    workspace = all_pipelines.copy_to(tmp_path / "repository")
    hello = enter(workspace, "hello")
    hello.run(
        "dvc",
        "exp",
        "run",
        *where,
        "--name",
        "gated",
        "-S",
        "model.cell=gru",
        "-S",
        "data.target=olleh",
        "-S",
        "train.log_gradients=true",
    )
    runs = list_runs(workspace.path, "hello")
    (run,) = [run for run in runs if run.data.params["model.cell"] == "gru"]
    assert run.data.tags["dvc.experiments"] == "gated"
    assert run.data.metrics["test/accuracy"] == 1
    assert run.data.metrics["gradient/encoder.layers.weight_hh_l0"] > 0
    client = MlflowClient(tracking_uri=f"sqlite:///{workspace.path / 'mlflow.db'}")
    by_time = client.get_metric_history(run.info.run_id, "gradient by time/epoch 001")
    assert [metric.step for metric in by_time] == [1, 2, 3, 4, 5]
    rows = hello.run("unroll", "runs", "--format", "csv").stdout.splitlines()
    assert any(line.startswith("experiment,gated,gru,1.0") and ",finished," in line for line in rows)
    table = hello.run("unroll", "compare", "--metric", "test/epochs_until_right", "--format", "csv").stdout
    assert {line.split(",")[0] for line in table.splitlines()[1:]} == {"rnn", "gru"}


@pytest.mark.parametrize(
    ("name", "stage", "section", "change", "message"),
    [
        (
            "hello",
            "hello.generate",
            "data",
            {"target": "hi"},
            "data.target = 'hi' has 2 letters: expected 5, as many as data.input = 'hello'",
        ),
        ("sine", "sine.generate", "data", {"steps": 1}, "data.steps = 1: expected greater than or equal to 2"),
        ("sine", "train_sequences", "model", {"pooling": "last"}, "model.pooling = 'last': expected 'none'"),
        (
            "mnist",
            "mnist.download",
            "data",
            {"dataset": "fashion"},
            "data.dataset = 'fashion': expected one of digits, mnist",
        ),
        (
            "sin2cos",
            "sin2cos.train",
            "model",
            {"bidirectional": True},
            "model.bidirectional = true: a state can be carried on in one direction only",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(
    pristine: Workspace, tmp_path: Path, name: str, stage: str, section: str, change: dict[str, Any], message: str
) -> None:
    workspace = pristine.copy_to(tmp_path / "repository")
    set_params(enter(workspace, name), section, **change)
    run = run_stage(f"unroll.stages.{stage}", workspace.path, f"pipelines/{name}", {})
    assert run.code == 1 and run.output.count("\n") == 1
    assert run.output.startswith("error: ") and message in run.output


@pytest.mark.exhaustive
def test_the_tutorials_preset_on_all_of_mnist(pristine: Workspace, tmp_path: Path, mnist: Path) -> None:
    workspace = enter(pristine.copy_to(tmp_path / "repository"), "mnist")
    set_params(workspace, "data", dataset="mnist", url=mnist.as_uri(), val=0.1)
    set_params(workspace, "train", epochs=1)
    set_params(workspace, "tracking", enabled=False)
    workspace.run("dvc", "repro")
    assert read_metrics(workspace)["accuracy"] >= 0.97
    assert sum(values["support"] for values in read_metrics(workspace, "per_class")["classes"].values()) == 10_000


def test_a_changed_file_of_mnist_is_refused(pristine: Workspace, tmp_path: Path, mnist: Path) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    for path in mnist.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    swapped = folder / "t10k-labels-idx1-ubyte.gz"
    swapped.write_bytes((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    workspace = enter(pristine.copy_to(tmp_path / "repository"), "mnist")
    set_params(workspace, "data", dataset="mnist", url=str(folder))
    result = workspace.run("dvc", "repro", "download", check=False)
    assert f"error: {swapped} has, unpacked, md5" in result.stdout
    assert not list((workspace.path / "data" / "raw").glob("t10k-labels*"))


def test_texts_in_both_halves_of_the_reviews_stay_in_test(pristine: Workspace, tmp_path: Path, imdb: Path) -> None:
    workspace = enter(pristine.copy_to(tmp_path / "repository"), "imdb")
    set_params(workspace, "data", dataset="imdb", file=str(imdb))
    workspace.run("dvc", "repro", "split")
    account = read_metrics(workspace, "data")
    assert account["rows_in"] == 37_500
    assert account["dropped"]["in_test"] == 60 and account["dropped"]["duplicate"] == 156
    assert account["rows_out"] + sum(account["dropped"].values()) == account["rows_in"]


FROZEN = [pytest.param(epochs, marks=pytest.mark.exhaustive) for epochs in (True, 1)]


@pytest.mark.parametrize("frozen", [False, *FROZEN])
def test_the_embedding_starts_from_a_file_of_vectors(
    quick_workspace: Workspace, tmp_path: Path, frozen: bool | int
) -> None:
    workspace, random = quick_workspace, np.random.default_rng(0)
    vocabulary = json.loads((workspace.path / "models" / "tokenizer.json").read_text())["model"]["vocab"]
    words = sorted(vocabulary, key=vocabulary.get)[2::2]  # of every other word
    vectors = dict(zip(words, random.normal(0.5, 2, (len(words), 100)).round(4), strict=True))
    lines = [" ".join([word, *map(str, vector)]) for word, vector in vectors.items()]
    file = tmp_path / "vectors.txt"
    file.write_text("\n".join(lines) + "\n")
    set_params(workspace, "model", embeddings=file.as_uri(), freeze_embeddings=frozen)
    set_params(workspace, "train", weight_average=0.0)
    run_stages(workspace.path, "pretrain", "train")

    coverage = len(words) / (len(vocabulary) - 2)
    assert read_metrics(workspace, "vectors")["coverage"] == pytest.approx(coverage, abs=1e-6)
    assert read_metrics(workspace, "train")["vector_coverage"] == pytest.approx(coverage, abs=1e-6)
    embedding = load_file(workspace.path / "models" / "model.safetensors")["embedding.weight"]
    learned = np.array([embedding[vocabulary[word]] for word in words])
    expected = np.array(list(vectors.values()), dtype=np.float32)
    if frozen:  # for the one epoch that there is, or for ever
        np.testing.assert_array_equal(learned, expected)
    else:
        assert np.abs(learned - expected).max() > 1e-3
        np.testing.assert_allclose(learned, expected, atol=0.2)
    assert not embedding[0].any()
    missing = np.array([embedding[number] for word, number in vocabulary.items() if number > 1 and word not in vectors])
    assert missing.mean() == pytest.approx(0.5, abs=0.1) and missing.std() == pytest.approx(2, abs=0.1)
