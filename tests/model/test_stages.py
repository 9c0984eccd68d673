"""The stages from the sample to the scores, in this process: what they write beside what it is computed from."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from unroll.forward import predict_all
from unroll.inference import load_classifier
from unroll.stages import baseline, download, evaluate, preprocess, pretrain, split, tokenize, train
from unroll.tokens import load_tokens

ROOT = Path(__file__).parents[2]
CHANGES = {
    "data": {"dataset": "csv", "url": "rows.csv"},
    "pretrain": {"epochs": 1, "least_words": 0},
    "model": {"embedding_size": 8, "hidden_size": 8},
    "train": {"epochs": 3},
    "evaluate": {"mistakes": 5},
    "tracking": {"enabled": False},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, where all stages have run on a fifth of the sample."""
    path = tmp_path_factory.mktemp("stages")
    params = YAML().load(ROOT / "params.yaml")
    for section, values in CHANGES.items():
        params[section].update(values)
    YAML().dump(params, path / "params.yaml")
    pd.read_csv(ROOT / "data/sample/headlines.csv")[::5].to_csv(path / "rows.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for stage in (download, preprocess, split, tokenize, pretrain, baseline, train, evaluate):
            stage.main()
        yield path


def test_the_scores_are_those_of_the_probabilities_that_are_predicted(folder: Path) -> None:
    """Computed by NumPy instead of PyTorch, temperature included."""
    tokens = load_tokens(Path("data/tokens"), "test")
    probabilities = predict_all(load_classifier().network, tokens)
    assert json.loads(Path("models/config.json").read_text())["temperature"] != pytest.approx(1, abs=0.05)
    scores = json.loads(Path("metrics/test.json").read_text())
    of_true = probabilities[np.arange(len(tokens)), tokens.labels]
    assert scores["log_loss"] == pytest.approx(-np.log(of_true.astype(np.float64)).mean(), abs=1e-5)
    assert scores["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == tokens.labels).mean(), abs=1e-6)
