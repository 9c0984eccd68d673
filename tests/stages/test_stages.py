"""The stages from a table to scores and MLflow, in this process: what they write beside what it is computed from."""

import json
import math
import re
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from unroll.inference.classifier import load_classifier
from unroll.inference.forward import predict_all
from unroll.params.common import flatten_params
from unroll.params.texts import read_text_params
from unroll.stages import baseline, download, evaluate, preprocess, pretrain, split, tokenize, train
from unroll.stages.train import choose_options, configure
from unroll.text.tokens import load_tokens
from workspaces import list_networks

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CHANGES = {
    "data": {"dataset": "csv", "file": "rows.csv"},
    "pretrain": {"epochs": 1, "least_words": 0},
    "model": {"embedding_size": 8, "hidden_size": 8},
    "train": {"epochs": 3, "log_gradients": True, "portable": False},  # this process has imported NumPy
    "evaluate": {"mistakes": 5},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, where all stages have run on a tenth of the sample."""
    path = tmp_path_factory.mktemp("stages")
    params = YAML().load(ROOT / "params.yaml")
    for section, values in CHANGES.items():
        params[section].update(values)
    YAML().dump(params, path / "params.yaml")
    pd.read_csv(ROOT / "data/sample/headlines.csv")[::10].to_csv(path / "rows.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_STAGE"):
            patch.delenv(name, raising=False)
        for stage in (download, preprocess, split, tokenize, pretrain, baseline, train, evaluate):
            stage.main()
        yield path


def read_json(name: str):
    return json.loads(Path(name).read_text())


def compute_md5(name: str) -> str:
    return md5(Path(name).read_bytes()).hexdigest()


def make_client(database: str = "mlflow.db") -> MlflowClient:
    uri = f"sqlite:///{Path(database).resolve()}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def find_runs(client: MlflowClient) -> list[Run]:
    """Return the runs of networks."""
    return list_networks(client.search_runs([client.get_experiment_by_name("headlines").experiment_id]))


def predict_test() -> tuple[np.ndarray, np.ndarray]:
    """Return the true classes and the probabilities of the test rows, computed by NumPy instead of PyTorch."""
    tokens = load_tokens(Path("data/tokens"), "test")
    return tokens.labels, predict_all(load_classifier().model.network, tokens)


def test_the_scores_are_those_of_the_probabilities_that_are_predicted(folder: Path) -> None:
    labels, probabilities = predict_test()
    assert read_json("models/config.json")["temperature"] != pytest.approx(1, abs=0.05)
    scores = read_json("metrics/test.json")
    of_true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    assert scores["log_loss"] == pytest.approx(-np.log(of_true).mean(), abs=1e-5)
    assert scores["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == labels).mean(), abs=1e-6)
    over = scores["macro_f1"] - read_json("metrics/baseline.json")["macro_f1"]
    assert scores["over_baseline"] == pytest.approx(over, abs=2e-6)
    assert scores["over_baseline_low"] < over < scores["over_baseline_high"]


def test_the_worst_mistakes_are_listed(folder: Path) -> None:
    labels, probabilities = predict_test()
    names, rows = np.array(read_json("models/labels.json")), pd.read_parquet("data/splits/test.parquet")
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    worst = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:5]
    mistakes = pd.read_csv("metrics/mistakes.csv")
    assert mistakes[["text", "part", "row"]].to_dict("list") == rows.iloc[worst][["text", "part", "row"]].to_dict(
        "list"
    )
    assert mistakes["actual"].tolist() == names[labels[worst]].tolist()
    assert mistakes["predicted"].tolist() == names[probabilities[worst].argmax(axis=1)].tolist()
    assert mistakes["confidence"].to_numpy() == pytest.approx(probabilities[worst].max(axis=1), abs=1e-5)


def test_the_data_of_plots(folder: Path) -> None:
    labels, probabilities = predict_test()
    names = np.array(read_json("models/labels.json"))
    predictions = pd.read_csv("metrics/plots/predictions.csv")
    assert predictions["actual"].tolist() == names[labels].tolist()
    assert predictions["predicted"].tolist() == names[probabilities.argmax(axis=1)].tolist()
    classes = pd.read_csv("metrics/plots/per_class.csv").set_index("class")
    expected = read_json("metrics/per_class.json")["classes"]
    assert classes.to_dict("index") == {name: pytest.approx(values, abs=1e-6) for name, values in expected.items()}
    assert pd.read_csv("metrics/plots/reliability.csv")["count"].sum() == len(labels)
    for name in ("per_class", "reliability"):  # no meaningless digits
        assert not re.search(r"\.\d{7}", Path(f"metrics/plots/{name}.csv").read_text())


def test_the_summary_is_of_the_best_epoch_of_the_curves(folder: Path) -> None:
    history, summary = pd.read_csv("metrics/plots/history.csv"), read_json("metrics/train.json")
    assert history["epoch"].tolist() == [1, 2, 3] and summary["epochs"] == 3
    best = history.loc[history["val_loss"].idxmin()]
    assert summary["best_epoch"] == best["epoch"]
    for name in ("val_loss", "val_macro_f1"):
        assert summary[name] == pytest.approx(best[name], abs=1e-5)
    assert summary["vector_coverage"] == read_json("metrics/vectors.json")["coverage"]
    # Words that no training text has are there, but not trained.
    assert summary["parameters"] <= sum(weight.size for weight in load_file("models/model.safetensors").values())


@pytest.mark.parametrize(("freeze", "epochs"), [(False, 0), (2, 2), (True, math.inf)])
def test_embeddings_have_their_own_rate_where_vectors_were_given(
    folder: Path, freeze: bool | int, epochs: float
) -> None:
    params = read_text_params()
    params = params.model_copy(update={"model": params.model.model_copy(update={"freeze_embeddings": freeze})})
    given, random = (choose_options(params, 100, pretrained) for pretrained in (True, False))
    assert (given.embedding_rate, random.embedding_rate) == (0.3, 1.0)
    assert given.frozen_epochs == epochs


def test_ngrams_learn_the_slower_the_more_rows_there_are(folder: Path) -> None:
    params = read_text_params()
    few, many = (choose_options(params, rows, pretrained=True).ngram_rate for rows in (2_000, 34_000))
    assert few == 0.03
    assert few == pytest.approx(17 * many)


def test_many_classes_leave_no_room_for_ngrams(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = read_text_params()
    assert configure(params, 1_000, 61).ngrams == params.model.ngrams == 65_536
    assert capsys.readouterr().out == ""
    assert configure(params, 1_000, 62).ngrams == 0
    assert "no n-grams, as 62 classes leave room for model.ngrams = 64,516 at most" in capsys.readouterr().out


def test_the_run_of_a_training(folder: Path) -> None:
    client = make_client()
    (run,) = find_runs(client)
    tags, metrics, summary = run.data.tags, run.data.metrics, read_json("metrics/train.json")
    digest = compute_md5("models/model.safetensors")
    assert (run.info.status, run.info.run_name, tags["model_md5"]) == ("FINISHED", f"gru-{digest[:7]}", digest)
    assert tags["test_md5"] == compute_md5("metrics/test.json")
    assert tags["portable"] == "no, as train.portable is false"
    assert (tags["threads"], tags["device"], tags.get("warnings")) == ("1", "cpu", summary.get("warnings"))
    assert "restored" not in tags and "failure" not in tags and "resumed_after_epoch" not in tags
    score = f"{read_json('metrics/test.json')['macro_f1']:.4f}"
    assert tags["mlflow.note.content"].startswith(f"gru on csv: macro-F1 **{score}** on the test split, ")
    first, _, card = tags["mlflow.note.content"].partition("\n\n")
    assert f"{summary['val_macro_f1']:.4f} on the validation split" in first
    assert card and Path("models/README.md").read_text().strip().endswith(card)
    params = {name: str(value) for name, value in flatten_params(read_text_params()).items()}
    assert run.data.params == params | {"tracking.test_md5": tags["test_md5"]}
    for name in ("val_loss", "val_macro_f1"):
        assert metrics[f"best/{name}"] == summary[name]
    for name in ("batch_size", "epochs", "parameters", "vector_coverage"):
        assert metrics[name] == pytest.approx(summary[name], abs=1e-6)
    assert metrics["best/epoch"] == summary["best_epoch"] and 0 < metrics["seconds"] < 600
    history = pd.read_csv("metrics/plots/history.csv")
    for name in history.columns.drop("epoch"):
        points = client.get_metric_history(run.info.run_id, f"curve/{name}")
        assert [(point.step, point.value) for point in points] == list(zip([1, 2, 3], history[name], strict=True))
    assert metrics["curve/examples_per_second"] > 0
    # One norm for each trained weight in each epoch, and one for each time step.
    buffers = {"ngrams.idf"}
    weights = [name for name in load_file("models/model.safetensors") if not name.startswith("embedding.")]
    weights = [name for name in weights if name not in buffers]
    for name in weights:
        assert len(client.get_metric_history(run.info.run_id, f"gradient/{name}")) == 3
    first = load_tokens(Path("data/tokens"), "train").lengths[: summary["batch_size"]]
    for epoch in (1, 2, 3):
        points = client.get_metric_history(run.info.run_id, f"gradient by time/epoch {epoch:03d}")
        assert [point.step for point in points] == list(range(1, first.max() + 1))
        assert all(point.value > 0 for point in points)


def test_the_data_and_files_of_a_run(folder: Path) -> None:
    client = make_client()
    (run,) = find_runs(client)
    inputs = {found.tags[0].value: found.dataset for found in run.inputs.dataset_inputs}
    for split_name in ("train", "val", "test"):
        tokens, found = load_tokens(Path("data/tokens"), split_name), inputs[split_name]
        assert (found.name, found.digest) == (f"csv {split_name}", tokens.digest()[:8])
        assert json.loads(found.profile)["num_rows"] == len(tokens)
        assert json.loads(found.source)["uri"] and json.loads(found.schema)["mlflow_colspec"]
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    for name in ("metrics/test.json", "metrics/per_class.json", "metrics/train.json", "plots/history.csv"):
        source = Path("metrics") / name.removeprefix("metrics/")
        assert (artifacts / name).read_bytes() == source.read_bytes()
    for name in ("learning_curves", "confusion_matrix", "precision_recall", "reliability"):
        assert (artifacts / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    shown = json.loads((artifacts / "mistakes.json").read_text())
    mistakes = pd.read_csv("metrics/mistakes.csv", keep_default_na=False)
    assert (shown["columns"], len(shown["data"])) == (mistakes.columns.tolist(), len(mistakes))
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [{"path": "mistakes.json", "type": "table"}]


@pytest.mark.parametrize(("cell", "metrics"), [("gru", "train"), ("linear", "baseline")])
def test_the_model_of_a_run_is_registered(folder: Path, cell: str, metrics: str) -> None:
    client = make_client()
    (run,) = find_runs(client) if cell == "gru" else client.search_runs(["1"], "tags.model = 'linear'")
    versions = list(client.search_model_versions("name = 'headlines'"))
    best = max(versions, key=lambda found: (float(found.tags["val_macro_f1"]), -int(found.version)))
    assert client.get_model_version_by_alias("headlines", "champion").version == best.version
    assert len({found.tags["val_rows"] for found in versions}) == 1  # so that they compare
    (version,) = [found for found in versions if found.tags["cell"] == cell]
    (output,) = run.outputs.model_outputs
    assert version.run_id == run.info.run_id
    assert version.source == f"models:/{output.model_id}"
    score = read_json(f"metrics/{metrics}.json")["val_macro_f1"]
    assert version.description == f"{cell}, validation macro-F1 {score:.4f}"
    assert float(version.tags["val_macro_f1"]) == pytest.approx(score, abs=1e-6)
    model = client.get_logged_model(output.model_id)
    assert model.name == "model"
    assert (Path(model.artifact_location.removeprefix("file://")) / "input_example.json").is_file()
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "headlines", "version": version.version}]


def test_the_run_of_the_baseline(folder: Path) -> None:
    client = make_client()
    (run,) = client.search_runs(["1"], "tags.model = 'linear'")
    scores = read_json("metrics/baseline.json")
    digest = compute_md5("metrics/baseline.json")
    assert (run.info.run_name, run.data.tags["baseline_md5"]) == (f"baseline-{digest[:7]}", digest)
    assert run.info.status == "FINISHED" and "restored" not in run.data.tags and run.data.metrics["seconds"] > 0
    for name in ("accuracy", "calibration_error", "log_loss", "macro_f1"):
        assert run.data.metrics[f"test/{name}"] == scores[name]
    assert run.data.params["baseline.c"] == str(scores["c"])
    assert f"on csv: macro-F1 **{scores['macro_f1']:.4f}** on the test split" in run.data.tags["mlflow.note.content"]
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    logged = {path.name: path.read_bytes() for path in (artifacts / "metrics").iterdir()}
    assert logged == {
        name: (Path("metrics") / name).read_bytes() for name in ("baseline.json", "baseline_per_class.json")
    }


def test_evaluated_again_the_same_run_has_it_and_elsewhere_one_is_restored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = find_runs(make_client())
    monkeypatch.setenv("DVC_EXP_NAME", "again")
    evaluate.main()
    (run,) = find_runs(make_client())
    assert run.info.run_id == before.info.run_id and run.data.metrics == before.data.metrics
    own = f"dvc.experiments.{md5(b'again').hexdigest()[:8]}"
    assert run.data.tags.items() - before.data.tags.items() == {("dvc.experiments", "again"), (own, "again")}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'other.db'}")
    evaluate.main()
    (restored,) = find_runs(make_client("other.db"))
    assert (restored.info.status, restored.info.run_name) == ("FINISHED", "again")
    assert restored.data.tags["restored"] == "true" and restored.data.tags["dvc.experiments"] == "again"
    assert not {"device", "portable"} & set(restored.data.tags)  # the training may have been on another machine
    unknown = {name for name in run.data.metrics if name.startswith("gradient")} | {
        "seconds",
        "curve/examples_per_second",
    }
    known = {name: value for name, value in run.data.metrics.items() if name not in unknown}
    assert restored.data.metrics == known and restored.data.params == run.data.params
    for tag in ("model_md5", "test_md5", "mlflow.note.content"):
        assert restored.data.tags[tag] == run.data.tags[tag]
    curve = make_client("other.db").get_metric_history(restored.info.run_id, "curve/val_loss")
    assert [point.step for point in curve] == [1, 2, 3]
