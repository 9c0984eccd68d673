"""Inference in NumPy gives what the PyTorch model gives, whatever else is in the batch."""

import itertools
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import make_models, make_texts
from unroll.inference import forward, packing
from unroll.inference.forward import compute_logits, predict_all, predict_one
from unroll.models.predict import compute_outputs as compute_with_torch
from unroll.models.predict import compute_probabilities
from unroll.params.common import Cell
from unroll.text.tokens import Tokens

CELLS, POOLINGS = get_args(Cell), ("last", "max", "mean", "attention")
VARIANTS = list(itertools.product(CELLS, (False, True), POOLINGS, (1, 2)))
LENGTHS = [5, 1, 9, 5, 2, 33, 9, 5, 3, 8]


def make_tokens(texts: list[list[int]]) -> Tokens:
    return Tokens.from_lists(texts, [0] * len(texts))


@pytest.mark.parametrize(("cell", "bidirectional", "pooling", "layers"), VARIANTS)
def test_logits_are_those_of_pytorch(
    cell: str, bidirectional: bool, pooling: str, layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, network = make_models(cell=cell, bidirectional=bidirectional, pooling=pooling, layers=layers)
    texts = make_texts(LENGTHS)
    expected = compute_with_torch(model, make_tokens(texts), batch_size=3).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-3  # the texts differ, so a model that ignored them would fail
    few = compute_logits(network, make_tokens(texts[:5]))
    assert "table" not in vars(network)  # each token was projected by itself
    np.testing.assert_allclose(few, expected[:5], atol=1e-5)
    for batch_tokens in (20, 4096):  # fewer than the longest text has; and all texts in one batch
        monkeypatch.setattr(packing, "BATCH_TOKENS", batch_tokens)
        np.testing.assert_allclose(compute_logits(network, make_tokens(texts)), expected, atol=1e-5)
    assert "table" in vars(network)
    probabilities = torch.softmax(torch.from_numpy(expected), dim=1).numpy()
    for text, alone in zip(texts, probabilities, strict=True):
        np.testing.assert_allclose(predict_one(network, text)[0], alone, atol=1e-5)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=30), min_size=1, max_size=9), st.booleans())
def test_ngrams_vote_as_in_pytorch(hashes: list[list[int]], is_logit: bool) -> None:
    changes = {"head": "logit"} if is_logit else {}
    model, network = make_models(ngrams=20, classes=2, **changes)
    texts = make_texts([5, 1, 9, 5, 2, 33, 9, 5, 3][: len(hashes)])
    ngrams = [np.array(text, dtype=np.uint32) for text in hashes]
    tokens = Tokens.from_lists(texts, [0] * len(texts), ngrams)
    expected = compute_with_torch(model, tokens, batch_size=4).numpy()
    np.testing.assert_allclose(compute_logits(network, tokens), expected, atol=1e-5)
    without = compute_logits(network, make_tokens(texts))
    voted = [any(model.ngrams.idf[number % 20] for number in text) for text in hashes]
    assert (np.ptp(expected - without, axis=1) > 1e-6).tolist() == voted
    probabilities = predict_all(network, tokens)
    for text, own, row in zip(texts, ngrams, probabilities, strict=True):
        np.testing.assert_allclose(predict_one(network, text, own)[0], row, atol=1e-6)


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(1, 49), min_size=1, max_size=40), min_size=1, max_size=12), st.data())
def test_a_text_does_not_depend_on_its_company(texts: list[list[int]], data: st.DataObject) -> None:
    _, network = make_models(
        cell=data.draw(st.sampled_from(CELLS)), pooling=data.draw(st.sampled_from(POOLINGS)), hidden_size=32
    )
    together = predict_all(network, make_tokens(texts))
    for text, probabilities in zip(texts, together, strict=True):
        np.testing.assert_allclose(predict_one(network, text)[0], probabilities, atol=1e-6)


def test_a_text_that_is_computed_twice_is_the_same() -> None:
    """A step overwrites arrays, but none that belong to the network."""
    for cell in CELLS:
        _, network = make_models(cell=cell)
        first = [predict_one(network, [5, 6, 7]), predict_all(network, make_tokens([[5, 6, 7]] * 30))]
        again = [predict_one(network, [5, 6, 7]), predict_all(network, make_tokens([[5, 6, 7]] * 30))]
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("temperature", [1.0, 2.5, 0.01])
def test_both_divide_logits_by_the_temperature(temperature: float) -> None:
    model, network = make_models(temperature=temperature)
    tokens = make_tokens(make_texts(LENGTHS))
    logits = compute_with_torch(model, tokens, 16)
    expected = torch.softmax(logits / temperature, dim=1).numpy()
    np.testing.assert_allclose(compute_probabilities(model, tokens, 16, temperature), expected, atol=1e-6)
    # Whatever differs between logits is divided, too.
    np.testing.assert_allclose(predict_all(network, tokens), expected, atol=1e-6 / min(temperature, 1))


def test_logits_of_any_size_become_probabilities() -> None:
    _, network = make_models()
    network.head_bias[:] = [3e4, 2e4, -3e4, 3e4 - 1]
    with np.errstate(over="raise", invalid="raise"):
        probabilities = predict_all(network, make_tokens([[3, 4, 5], [6]]))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities.argmax(axis=1) == 0).all()


def test_no_texts_have_no_probabilities() -> None:
    _, network = make_models()
    assert predict_all(network, make_tokens([])).shape == (0, 4)


def test_a_table_of_words_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = make_models()
    tokens = make_tokens(make_texts(LENGTHS))
    assert network.table_bytes == network.table.nbytes
    expected = predict_all(network, tokens)
    monkeypatch.setattr(forward, "TABLE_BYTES", network.table_bytes - 1)
    _, without = make_models()
    np.testing.assert_allclose(predict_all(without, tokens), expected, atol=1e-6)
    assert "table" not in vars(without)


def test_one_thread_computes_and_the_others_are_given_back() -> None:
    _, network = make_models()
    threads = []

    class Watched(Tokens):
        """Texts that record how many threads NumPy may use when their lengths are read."""

        @property
        def lengths(self) -> np.ndarray:
            threads.extend(library["num_threads"] for library in network.blas.info())
            return super().lengths

    plain = make_tokens(make_texts(LENGTHS))
    with network.blas.limit(limits=2):
        predict_all(network, Watched(**vars(plain)))
        assert {library["num_threads"] for library in network.blas.info()} == {2}
    assert set(threads) == {1}
