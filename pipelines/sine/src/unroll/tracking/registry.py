"""Models in MLflow: logged without pickle, registered under one name, the best of them called champion."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from unroll.base.files import compute_hash, read_json
from unroll.models.files import CHECKSUMS
from unroll.text.tokens import Tokens
from unroll.tracking.sharing import insert
from unroll.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

CHAMPION = "champion"
VERSION = "model_version"  # the tag of the run whose model is a version
READING_PARTS = ("cleaning.json", "labels.json")  # of models/: what a model reads of a text, and class to its name
EXAMPLE = ["Shares fall after profit warning", "Striker scores twice in cup final"]
# The packages that models/ needs to predict; logged with the model, so that it can be served elsewhere.
INFERENCE_PACKAGES = (
    "mlflow",
    "nltk",
    "numpy",
    "pandas",
    "pydantic",
    "regex",
    "ruamel.yaml",
    "safetensors",
    "threadpoolctl",
    "tokenizers",
)


@dataclass(frozen=True)
class Standing:
    """What models are compared by: macro-F1 on the validation rows, whose digest is `val_rows`."""

    val_macro_f1: float
    val_rows: str


def log_model(store: Store, run_id: str, models: Path, parts: Collection[str]) -> str:
    """Log files of models/ as a model that loads without pickle: its code is a file, its weights are in safetensors.

    parts: the files that models/checksums.json lists.

    Returns:
        The model's id.
    """
    import mlflow

    package = Path(__file__).parents[1]
    with _use_store(store.uri), mlflow.start_run(run_id=run_id), TemporaryDirectory() as scratch:
        folder = Path(scratch) / "models"
        folder.mkdir()
        for name in (*parts, CHECKSUMS):
            shutil.copyfile(models / name, folder / name)
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(package / "tracking" / "mlflow_model.py"),
            artifacts={"models": str(folder)},
            code_paths=[str(package)],
            # Given explicitly: inferring them would run a second process for many seconds.
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in INFERENCE_PACKAGES],
            signature=_describe_interface(read_json(models / "labels.json")),
            input_example=EXAMPLE,
        )
    return logged.model_id


@contextmanager
def _use_store(uri: str) -> Iterator[None]:
    """Make MLflow's functions use a store inside the block; by themselves, they would keep it for the process."""
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before = {name: os.environ[name] for name in names if name in os.environ}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        for use in (mlflow.set_tracking_uri, mlflow.set_registry_uri):
            use(None)  # type: ignore[arg-type]  # it takes it for "not set", as at first
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


def identify_rows(val: Tokens, models: Path) -> str:
    """Return a checksum of what a score refers to: the rows, how texts are cleaned, and the names of their classes.

    Two cleanings may give these rows the same texts, and yet read another text differently.
    """
    parts = [val.identify(), *(compute_hash(models / name, "md5") for name in READING_PARTS)]
    return hashlib.md5(json.dumps(parts).encode(), usedforsecurity=False).hexdigest()


def register_model(
    store: Store, run_id: str, model_id: str, name: str, standing: Standing, tags: Mapping[str, str]
) -> None:
    """Make a version of the registered model `name`, and choose the champion again.

    `tags` identify the model. If it already has a version, it gets another only if it was validated on other rows.
    """
    client, identity = store.client, {**tags, "val_rows": standing.val_rows}
    with _use_store(store.uri):  # to make a version, MLflow reads its model
        _create_registered_model(client, name)
        version = _make_version(client, name, run_id, model_id, identity, standing.val_macro_f1)
        if version.run_id == run_id:
            # Makes the model's page show where it is registered, as `mlflow.register_model` does.
            link = json.dumps([{"name": name, "version": version.version}])
            client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
            client.set_tag(run_id, VERSION, version.version)
        choose_champion(client, name, standing.val_rows)


def choose_champion(client: "MlflowClient", name: str, val_rows: str) -> None:
    """Give the alias `champion` to the version with the highest validation macro-F1; of equals, to the oldest.

    Scores on different rows cannot be compared, so only versions that were validated on `val_rows`, the rows of the
    training that has just ended, compete. If there is none, the champion stays. Test scores are never used.
    """
    while best := _find_best(client, name, val_rows):
        insert(client.set_registered_model_alias, name, CHAMPION, best)
        holder = client.get_model_version_by_alias(name, CHAMPION)
        # Another machine may have chosen before a better version was there, but set the alias later.
        if holder.tags.get("val_rows") != val_rows or holder.version == _find_best(client, name, val_rows):
            return


def _create_registered_model(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    known = f"name = '{name}'"
    if not client.search_registered_models(known):
        try:
            client.create_registered_model(name, description="Texts to their classes and probabilities.")
        except MlflowException:
            if not client.search_registered_models(known):  # or else somebody else has just created it
                raise


def _make_version(
    client: "MlflowClient", name: str, run_id: str, model_id: str, identity: dict[str, str], val_macro_f1: float
) -> "ModelVersion":
    """Return the version with the tags `identity`; make it if there is none. Of those made at once, the first stays.

    MLflow numbers versions one after the other, so all that make one agree on which is the first.
    """
    from mlflow.exceptions import MlflowException

    tags = identity | {"val_macro_f1": f"{val_macro_f1:.6f}"}
    about = f"{tags['cell']}, validation macro-F1 {val_macro_f1:.4f}"
    made, count = None, -1
    while not (same := _list_versions(client, name, identity)):
        try:
            made = client.create_model_version(
                name, f"models:/{model_id}", run_id, tags, description=about, model_id=model_id
            )
        except MlflowException:  # it gives up if others take the next number again and again
            before, count = count, len(_list_versions(client, name, {}))
            if before == count:
                raise
    if made and made.version != same[0].version:
        client.delete_model_version(name, made.version)
    return same[0]


def _find_best(client: "MlflowClient", name: str, val_rows: str) -> str | None:
    comparable = _list_versions(client, name, {"val_rows": val_rows})
    # The first of the highest, so the oldest.
    return max(comparable, key=lambda found: float(found.tags["val_macro_f1"])).version if comparable else None


def _list_versions(client: "MlflowClient", name: str, tags: Mapping[str, str]) -> "list[ModelVersion]":
    """Return the versions that have these tags, the oldest first."""
    found = (
        version for version in client.search_model_versions(f"name = '{name}'") if tags.items() <= version.tags.items()
    )
    return sorted(found, key=lambda version: int(version.version))


def _describe_interface(class_names: list[str]) -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    probabilities = [ColSpec("float", f"probability_{name}") for name in class_names]
    return ModelSignature(Schema([ColSpec("string")]), Schema([ColSpec("string", "prediction"), *probabilities]))
