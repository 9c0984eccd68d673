"""What a logged model needs elsewhere, and which version is the champion."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from imports import PACKAGE, find_packages
from unroll.text.tokens import Tokens
from unroll.tracking.registry import CHAMPION, INFERENCE_PACKAGES, READING_PARTS, choose_champion, identify_rows


def test_a_logged_model_requires_what_its_code_imports() -> None:
    required = {name.split(".")[0] for name in INFERENCE_PACKAGES}
    assert required == find_packages(PACKAGE / "tracking" / "mlflow_model.py") - {
        "pydantic_core"
    }  # pydantic brings that one
    assert "torch" not in required


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    uri = f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.mark.parametrize(
    ("versions", "champion"),
    [
        ([("now", 0.8), ("now", 0.9), ("now", 0.7)], 2),
        ([("now", 0.8), ("now", 0.9), ("now", 0.9)], 2),  # the oldest of equals
        ([("before", 0.95), ("now", 0.8), ("after", 0.99)], 2),  # scores on other rows mean nothing beside these
        ([("now", 0.0), ("before", 0.5)], 1),
        ([("now", 0.5), *[("now", 0.6)] * 9], 2),  # by number, not by the letters of the number
    ],
)
def test_the_champion_is_the_first_of_the_best_on_the_same_validation_rows(
    client: MlflowClient, tmp_path: Path, versions: list[tuple[str, float]], champion: int
) -> None:
    name = tmp_path.name
    client.create_registered_model(name)
    for val_rows, score in versions:
        tags = {"val_rows": val_rows, "val_macro_f1": f"{score:.6f}"}
        client.create_model_version(name, str(tmp_path), tags=tags)
    choose_champion(client, name, "now")
    assert client.get_model_version_by_alias(name, CHAMPION).version == champion


@pytest.mark.parametrize("changed", ["cleaning.json", "labels.json"])
def test_scores_compare_only_where_rows_are_read_and_named_alike(tmp_path: Path, changed: str) -> None:
    """Two cleanings may leave the same of these rows; the older champion would still clean its own way."""
    ngrams = [np.array([5, 9], dtype=np.uint32), np.array([7], dtype=np.uint32)]
    rows = Tokens.from_lists([[1, 2], [3]], [0, 1], ngrams)
    for name in READING_PARTS:
        (tmp_path / name).write_text("{}")
    before = identify_rows(rows, tmp_path)
    assert identify_rows(rows, tmp_path) == before
    assert identify_rows(Tokens.from_lists([[1], [1]], [0, 1], ngrams), tmp_path) == before  # another vocabulary
    assert identify_rows(Tokens.from_lists([[1, 2], [3]], [1, 0], ngrams), tmp_path) != before
    assert identify_rows(Tokens.from_lists([[1, 2], [3]], [0, 1], ngrams[::-1]), tmp_path) != before
    (tmp_path / changed).write_text('{"numbers": "mask"}')
    assert identify_rows(rows, tmp_path) != before
