"""Models in MLflow: logged without pickle, registered under one name, the best of them called champion."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from unroll.base.files import read_json
from unroll.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

CHAMPION = "champion"
EXAMPLE = ["Shares fall after profit warning", "Striker scores twice in cup final"]
# What models/ needs to answer; written into the logged model so that it can be served elsewhere.
INFERENCE_PACKAGES = (
    "mlflow",
    "nltk",
    "numpy",
    "pandas",
    "pydantic",
    "ruamel.yaml",
    "safetensors",
    "threadpoolctl",
    "tokenizers",
)


@dataclass(frozen=True)
class Standing:
    """What a model is compared by: its macro-F1 on validation rows that `val_rows` is the digest of."""

    val_macro_f1: float
    val_rows: str


def log_model(store: Store, run_id: str, models: Path) -> str:
    """Log models/ as a model that loads without pickle: its code is a file, its weights are safetensors.

    Returns:
        The model's id.
    """
    import mlflow

    package = Path(__file__).parents[1]
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri(store.uri)
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(package / "tracking" / "mlflow_model.py"),
            artifacts={"models": str(models)},
            code_paths=[str(package)],
            # Given, because inferring them would start a second process for many seconds.
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in INFERENCE_PACKAGES],
            signature=_describe_interface(read_json(models / "labels.json")),
            input_example=EXAMPLE,
        )
    return logged.model_id


def register_model(
    store: Store, run_id: str, model_id: str, name: str, standing: Standing, tags: Mapping[str, str]
) -> None:
    """Make a version of the registered model `name`, and let the champion be chosen again.

    `tags` tell models apart. One that has a version already gets another only if it was validated on other rows.
    """
    client = store.client
    with store.lock:  # versions and alias are changed by every training of this repository
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name, description="Texts to their classes and probabilities.")
        identity = {**tags, "val_rows": standing.val_rows}
        if not any(identity.items() <= found.tags.items() for found in _list_versions(client, name)):
            tags = identity | {"val_macro_f1": f"{standing.val_macro_f1:.6f}"}
            about = f"{tags['cell']}, validation macro-F1 {standing.val_macro_f1:.4f}"
            source = f"models:/{model_id}"
            made = client.create_model_version(name, source, run_id, tags, description=about, model_id=model_id)
            # So that the model's own page shows where it is registered, as after `mlflow.register_model`.
            link = json.dumps([{"name": name, "version": made.version}])
            client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
        choose_champion(client, name, standing.val_rows)


def choose_champion(client: "MlflowClient", name: str, val_rows: str) -> None:
    """Give the alias `champion` to the version with the highest validation macro-F1, the oldest of equals.

    Scores on other rows mean nothing beside each other, so only versions that were validated on `val_rows`, the
    rows of the training that has just ended, are compared. Where there is none, the champion stays. Test scores are
    never looked at.
    """
    comparable = [found for found in _list_versions(client, name) if found.tags.get("val_rows") == val_rows]
    if comparable:
        best = max(comparable, key=lambda found: (float(found.tags["val_macro_f1"]), -int(found.version)))
        client.set_registered_model_alias(name, CHAMPION, best.version)


def _list_versions(client: "MlflowClient", name: str) -> "list[ModelVersion]":
    return list(client.search_model_versions(f"name = '{name}'"))


def _describe_interface(class_names: list[str]) -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    probabilities = [ColSpec("float", f"probability_{name}") for name in class_names]
    return ModelSignature(Schema([ColSpec("string")]), Schema([ColSpec("string", "prediction"), *probabilities]))
