"""The graph gives what PyTorch and NumPy give: every cell, depth, direction and pooling, whatever the batch."""

import itertools
import json
from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import make_models, make_texts
from unroll.base.errors import InputError
from unroll.export import graph
from unroll.export.graph import IR_VERSION, OPERATORS, OPSET, build_model
from unroll.export.predict import pad
from unroll.inference.forward import compute_logits, predict_all
from unroll.inference.network import Network
from unroll.models.predict import compute_probabilities
from unroll.params.common import Cell
from unroll.text.tokens import Tokens

CELLS, POOLINGS = get_args(Cell), ("last", "max", "mean", "attention")
VARIANTS = list(itertools.product(CELLS, (False, True), POOLINGS, (1, 2)))
LENGTHS = [5, 1, 9, 5, 2, 33, 9, 5, 3, 8]
WITHIN = 1e-6
RECURRENT = {operator for operator, _, _ in OPERATORS.values()}  # of which an output may not be needed
Session = onnxruntime.InferenceSession


def make_ngrams(sizes: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [np.unique(random.integers(0, 2**32, size, dtype=np.uint32)) for size in sizes]


def make_inputs(texts: list[list[int]], ngrams: list[np.ndarray] | None = None) -> dict[str, np.ndarray]:
    found = pad(texts) + (pad([text.tolist() for text in ngrams]) if ngrams is not None else ())
    return dict(zip(("ids", "lengths", "ngrams", "ngram_counts"), found, strict=False))


def start(network: Network) -> Session:
    return Session(build_model(network, {}))


def predict(session: Session, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return session.run(["probabilities"], inputs)[0]


@pytest.mark.parametrize("ngrams", [0, 20])
@pytest.mark.parametrize("head", ["softmax", "logit"])
@pytest.mark.parametrize(("cell", "bidirectional", "pooling", "layers"), VARIANTS)
def test_probabilities_are_those_of_pytorch_and_of_numpy(
    cell: str, bidirectional: bool, pooling: str, layers: int, head: str, ngrams: int
) -> None:
    model, network = make_models(
        cell=cell,
        bidirectional=bidirectional,
        pooling=pooling,
        layers=layers,
        head=head,
        classes=2 if head == "logit" else 4,
        ngrams=ngrams,
        temperature=0.9,
    )
    texts, hashes = make_texts(LENGTHS), make_ngrams([0, 3, 1, 30, 7, 20, 2, 2, 2, 0]) if ngrams else None
    tokens = Tokens.from_lists(texts, [0] * len(texts), hashes)
    logits, found = start(network).run(None, make_inputs(texts, hashes))
    expected = compute_probabilities(model, tokens, 3, network.config.temperature)
    assert np.ptp(expected, axis=0).min() > 1e-3  # the texts differ, so a model that ignored them would fail
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=WITHIN)
    np.testing.assert_allclose(found, predict_all(network, tokens), rtol=0, atol=WITHIN)
    np.testing.assert_allclose(logits, compute_logits(network, tokens), rtol=0, atol=1e-5)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 49), min_size=1, max_size=40), min_size=1, max_size=12), st.data())
def test_padding_and_company_change_nothing(texts: list[list[int]], data: st.DataObject) -> None:
    _, network = make_models(
        cell=data.draw(st.sampled_from(CELLS)),
        pooling=data.draw(st.sampled_from(POOLINGS)),
        bidirectional=data.draw(st.booleans()),
        layers=data.draw(st.integers(1, 2)),
        ngrams=20,
    )
    session = start(network)
    hashes = make_ngrams(data.draw(st.lists(st.integers(0, 30), min_size=len(texts), max_size=len(texts))))
    inputs = make_inputs(texts, hashes)
    expected = predict(session, inputs)
    order = data.draw(st.permutations(range(len(texts))))
    np.testing.assert_allclose(
        predict(session, {name: array[list(order)] for name, array in inputs.items()}),
        expected[list(order)],
        rtol=0,
        atol=WITHIN,
    )
    padded = dict(inputs)
    for name, counts, most in (("ids", "lengths", 50), ("ngrams", "ngram_counts", 2**32)):
        width = inputs[name].shape[1]
        longer = np.random.default_rng(2).integers(0, most, (len(texts), width + data.draw(st.integers(0, 9))))
        inside = np.arange(width) < inputs[counts][:, None]
        longer[:, :width][inside] = inputs[name][inside]
        padded[name] = longer
    np.testing.assert_allclose(predict(session, padded), expected, rtol=0, atol=WITHIN)
    for number, (text, own) in enumerate(zip(texts, hashes, strict=True)):
        alone = predict(session, make_inputs([text], [own]))
        np.testing.assert_allclose(alone[0], expected[number], rtol=0, atol=WITHIN)


@pytest.mark.parametrize("is_logit", [False, True])
def test_texts_of_which_none_has_ngrams(is_logit: bool) -> None:
    changes = {"head": "logit", "classes": 2} if is_logit else {}
    _, network = make_models(ngrams=20, **changes)
    texts = make_texts(LENGTHS)
    inputs = make_inputs(texts, [np.zeros(0, dtype=np.uint32)] * len(texts))
    assert inputs["ngrams"].shape == (len(texts), 0)
    expected = predict_all(network, Tokens.from_lists(texts, [0] * len(texts)))
    np.testing.assert_allclose(predict(start(network), inputs), expected, rtol=0, atol=WITHIN)


def test_logits_of_any_size_become_probabilities() -> None:
    _, network = make_models()
    network.head_bias[:] = [3e4, 2e4, -3e4, 3e4 - 1]
    probabilities = predict(start(network), make_inputs([[3, 4, 5], [6]]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities.argmax(axis=1) == 0).all()


@pytest.mark.parametrize("ngrams", [0, 20])
def test_the_file_says_what_is_in_it(ngrams: int) -> None:
    _, network = make_models(ngrams=ngrams)
    metadata = {"classes": json.dumps(["Sport", "Économie"]), "temperature": "0.9"}
    content = build_model(network, metadata)
    assert content == build_model(network, metadata)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, [one.version for one in model.opset_import]) == (IR_VERSION, [OPSET])
    session = Session(content)
    assert session.get_modelmeta().custom_metadata_map == metadata
    inputs = {one.name: (one.type, one.shape) for one in session.get_inputs()}
    assert inputs == {
        "ids": ("tensor(int64)", ["batch", "time"]),
        "lengths": ("tensor(int64)", ["batch"]),
        **(
            {"ngrams": ("tensor(int64)", ["batch", "ngrams"]), "ngram_counts": ("tensor(int64)", ["batch"])}
            if ngrams
            else {}
        ),
    }
    outputs = {one.name: (one.type, one.shape) for one in session.get_outputs()}
    assert outputs == {name: ("tensor(float)", ["batch", 4]) for name in ("logits", "probabilities")}


def test_no_operator_is_there_for_nothing() -> None:
    for pooling in POOLINGS:
        model = onnx.load_from_string(build_model(make_models(pooling=pooling, ngrams=20)[1], {}))
        read = {name for node in model.graph.node for name in node.input}
        assert {weight.name for weight in model.graph.initializer} <= read
        made = {node.output[0] for node in model.graph.node if node.op_type not in RECURRENT}
        assert made - read <= {"logits", "probabilities"}


def test_weights_that_no_file_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"the weights take 0\.0 GiB: an ONNX file has less than 2"):
        build_model(make_models()[1], {})
