"""The linear classifier's features, and its files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer

from unroll.base.errors import InputError
from unroll.inference.classifier import load_classifier
from unroll.linear import model as module
from unroll.linear.fit import fit_linear, learn_vocabulary, make_rows
from unroll.linear.model import load_linear, save_linear
from unroll.models.files import LINEAR_PARTS, write_checksums
from unroll.text.ngrams import make_hashers

TEXTS = ["shares fall", "profit falls", "cup final", "match final"]
LABELS = np.array([0, 0, 1, 1])
TITLES = st.lists(st.sampled_from(["to", "be", "or", "not", "question"]), max_size=8).map(" ".join)
CLEANING = {
    "html": "decode",
    "lowercase": True,
    "brackets": "keep",
    "numbers": "keep",
    "punctuation": "drop",
    "stemming": "none",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole models/linear/."""
    save_linear(fit_linear(TEXTS, LABELS, TEXTS, LABELS, 64).model, tmp_path)
    (tmp_path / "labels.json").write_text('["Business", "Sports"]')
    (tmp_path / "cleaning.json").write_text(json.dumps(CLEANING | {"stop_words": []}))
    write_checksums(tmp_path, LINEAR_PARTS)
    return tmp_path


@given(st.lists(TITLES, min_size=1, max_size=6), st.lists(TITLES, min_size=1, max_size=4))
def test_features_are_those_of_scikit_learn(train: list[str], texts: list[str]) -> None:
    """Each kind of n-grams has length one, so that ten times as many parts do not drown the words."""
    train = [*train, "to be"]
    hashers = make_hashers(64)
    vocabularies = tuple(learn_vocabulary(train, hash_text, 10_000) for hash_text in hashers)
    settings = {"lowercase": False, "binary": True, "dtype": np.float32}
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), **settings).fit(train)
    parts = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings).fit(train)
    found = make_rows(texts, vocabularies, hashers).toarray()
    size = len(vocabularies[0].hashes)
    for own, theirs in ((found[:, :size], words), (found[:, size:], parts)):
        np.testing.assert_allclose(
            own @ own.T, (lambda rows: rows @ rows.T)(theirs.transform(texts).toarray()), atol=1e-5
        )
        assert own.shape[1] == len(theirs.vocabulary_)


def test_probabilities_are_those_of_the_fitted_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unequal classes, so that the biases matter; an unknown text has nothing else."""
    labels, texts = np.array([0, 0, 0, 1]), ["shares match", "unheard", "cup", "falls in the final"]
    fitted = fit_linear(TEXTS, labels, TEXTS, labels, 64).model
    model = replace(fitted, config=fitted.config.model_copy(update={"temperature": 0.5}))
    rows = make_rows(texts, model.vocabularies, make_hashers(64))
    expected = softmax((rows @ model.weight + model.bias) / model.config.temperature, axis=1)
    monkeypatch.setattr(module, "TEXTS", 3)  # at once: the last is alone
    np.testing.assert_allclose(model.predict(texts), expected, rtol=1e-4)
    assert expected[1, 0] > 0.55


def test_it_predicts_from_its_files_as_before(folder: Path) -> None:
    fitted = fit_linear(TEXTS, LABELS, TEXTS, LABELS, 64).model
    loaded = load_classifier(folder)
    np.testing.assert_allclose(
        loaded.predict(["Shares FALL!", "finals"]), fitted.predict(["shares fall", "finals"]), atol=1e-5
    )
    table = loaded.tabulate(["Shares FALL!", "...", "unheard"])
    assert table["prediction"].tolist()[:2] == ["Business", ""]
    assert table.isna().all(axis=1).tolist() == [False, False, False]
    assert np.isnan(table["probability_Sports"]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", '{"cell": "linear", "max_tokens": 0, "temperature": 1.0}', "max_tokens = 0"),
        ("config.json", '{"cell": "linear", "max_tokens": 9}', "temperature"),
        ("config.json", '{"cell": "linear", "max_tokens": 9, "temperature": 1.0}', "is not the one that"),
        ("labels.json", '["Business"]', "is not a linear classifier of 1 classes"),
        ("model.safetensors", "", "holds no weights"),
    ],
)
def test_a_damaged_file_is_told(name: str, content: str, message: str, folder: Path) -> None:
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_classifier(folder)


def test_no_text_has_no_prediction(folder: Path) -> None:
    assert load_classifier(folder).predict([]).shape == (0, 2)
    assert load_classifier(folder).tabulate([]).empty


@pytest.mark.parametrize("change", ["weight", "hashes.1", "all"])
def test_weights_that_do_not_fit_are_told(change: str, folder: Path) -> None:
    model = load_linear(folder, ["Business", "Sports"])
    first, second = model.vocabularies
    weights = {"weight": model.weight, "bias": model.bias, "hashes.0": first.hashes, "idf.0": first.idf}
    weights |= {"hashes.1": second.hashes, "idf.1": second.idf}
    if change == "all":
        weights = {"weight": np.zeros((0, 2), np.float32), "bias": model.bias}
    else:
        weights[change] = weights[change][:-1].copy()
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(InputError, match="expected the files of one baseline"):
        load_linear(folder, ["Business", "Sports"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_told(value: float, folder: Path) -> None:
    model = load_linear(folder, ["Business", "Sports"])
    model.weight[0, 0] = value
    save_linear(model, folder)
    with pytest.raises(InputError, match="expected finite weights"):
        load_linear(folder, ["Business", "Sports"])


def test_missing_weights_are_told(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        load_classifier(folder)
