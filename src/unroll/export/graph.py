"""A trained classifier as an ONNX graph, written operator by operator: the mathematics of unroll.models.classifier."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.checker import check_model

from unroll.base.errors import InputError
from unroll.inference.network import Layer, Network

OPSET, IR_VERSION = 17, 8  # of 2022: old enough for most runtimes
MOST_BYTES = 2**31 - 2**20  # of weights: protobuf writes no 2 GiB
# For each cell: ONNX's operator, where its gates are among those of a `Layer`, and their functions.
OPERATORS = {
    "rnn": ("RNN", [0], ["Tanh"]),
    "gru": ("GRU", [1, 0, 2], ["Sigmoid", "Tanh"]),
    "lstm": ("LSTM", [0, 2, 1, 3], ["Sigmoid", "Tanh", "Tanh"]),
}


def build_model(network: Network, metadata: Mapping[str, str]) -> bytes:
    """Return the model as a file's content: the same bytes for the same network and metadata.

    Inputs: ids `[batch, time]` int64, padded with any of the vocabulary's; lengths `[batch]` int64, from 1 to time. If
    the network has n-grams: ngrams `[batch, ngrams]` int64, hashes, padded with any; ngram_counts `[batch]` int64, from
    0 on.
    Outputs: logits and probabilities, `[batch, classes]` float32.

    Raises:
        InputError: the weights are too large for a file.
    """
    graph = _Graph()
    inputs: dict[str, list[str]] = {"ids": ["batch", "time"], "lengths": ["batch"]}
    pooled = _add_pooling(graph, network, *_add_layers(graph, network))
    logits = graph.add("Gemm", pooled, graph.hold("head", network.head), graph.hold("head_bias", network.head_bias))
    if network.ngrams:
        inputs |= {"ngrams": ["batch", "ngrams"], "ngram_counts": ["batch"]}
        logits = graph.add("Add", logits, _add_ngrams(graph, network.ngrams.weight, network.ngrams.squares))
    graph.add("Identity", logits, output="logits")
    temperature = np.array(network.config.temperature, dtype=np.float32)
    scaled = graph.add("Div", logits, graph.hold("temperature", temperature))
    graph.add("Softmax", scaled, output="probabilities", axis=1)

    size = sum(len(weight.raw_data) for weight in graph.weights)
    if size > MOST_BYTES:
        raise InputError(f"the weights take {size / 2**30:.1f} GiB: an ONNX file has less than 2")
    shape: list[str | int | None] = ["batch", network.config.classes]
    body = helper.make_graph(
        graph.nodes,
        "classifier",
        [helper.make_tensor_value_info(name, TensorProto.INT64, sizes) for name, sizes in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("logits", "probabilities")],
        graph.weights,
    )
    model = helper.make_model(
        body, producer_name="unroll", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    helper.set_model_props(model, dict(metadata))
    check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _Graph:
    """Operators and weights, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def hold(self, name: str, array: np.ndarray) -> str:
        """Add a weight; return its name."""
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operator of one output; return that one's name."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        return self.add_many(operator, inputs, [output], **attributes)[0]

    def add_many(self, operator: str, inputs: Sequence[str], outputs: list[str], **attributes: Any) -> list[str]:
        """Add an operator of several outputs; return them."""
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes))
        return outputs

    def hold_numbers(self, *numbers: int) -> str:
        """Add whole numbers that operators need, [numbers] int64, such as axes; return their name."""
        name = f"numbers_{'_'.join(map(str, numbers))}"
        known = any(weight.name == name for weight in self.weights)
        return name if known else self.hold(name, np.array(numbers, dtype=np.int64))

    def add_mask(self, values: str, counts: str) -> str:
        """Return which of `values` [batch, places, …] are not padding, `[batch, places]`; counts: [batch]."""
        places = self.add("Squeeze", self.add("Shape", values, start=1, end=2))
        zero, one = (self.add("Squeeze", self.hold_numbers(number)) for number in (0, 1))
        return self.add(
            "Less", self.add("Range", zero, places, one), self.add("Unsqueeze", counts, self.hold_numbers(1))
        )


def _add_layers(graph: _Graph, network: Network) -> tuple[str, str]:
    """Add embedding and recurrent layers, whose operators want time first, and numbers of 32 bits as lengths.

    Returns:
        The last layer's states, `[time, directions, batch, hidden]`, and its final ones, `[directions, batch, hidden]`.
    """
    config, directions = network.config, 2 if network.config.bidirectional else 1
    operator, order, functions = OPERATORS[config.cell]
    attributes: dict[str, Any] = {
        "hidden_size": config.hidden_size,
        "direction": "bidirectional" if config.bidirectional else "forward",
        "activations": functions * directions,
    }
    if config.cell == "gru":  # as in PyTorch, the reset gate multiplies what comes out of the product
        attributes["linear_before_reset"] = 1
    lengths = graph.add("Cast", "lengths", to=TensorProto.INT32)
    steps = graph.add("Transpose", "ids", perm=[1, 0])
    states, final = graph.add("Gather", graph.hold("embedding", network.embedding), steps), ""
    for number, layer in enumerate(network.layers):
        features = _join_directions(graph, states, network) if number else states
        weights = [
            graph.hold(f"{name}_{number}", array)
            for name, array in zip(("input", "recurrent", "bias"), _arrange(layer, order), strict=True)
        ]
        outputs = [f"states_{number}", f"final_{number}"]
        states, final = graph.add_many(operator, [features, *weights, lengths], outputs, **attributes)
    return states, final


def _join_directions(graph: _Graph, states: str, network: Network) -> str:
    """Return the states `[time, batch, directions * hidden]`."""
    size = len(network.head)
    return graph.add("Reshape", graph.add("Transpose", states, perm=[0, 2, 1, 3]), graph.hold_numbers(0, 0, size))


def _arrange(layer: Layer, order: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ONNX's weights: `[directions, gates * hidden, inputs]`, that with hidden states, and both biases.

    `Layer` has halved all gates but the last, which is exact.
    """
    scale = np.full((len(order), 1, 1, 1), 2, dtype=np.float32)
    scale[-1] = 1

    def arrange(blocks: np.ndarray) -> np.ndarray:
        gates, directions, inputs, hidden = blocks.shape
        return (blocks * scale)[order].transpose(1, 0, 3, 2).reshape(directions, gates * hidden, inputs)

    recurrent_bias = np.zeros_like(layer.bias)
    recurrent_bias[-1] = layer.extra  # of a GRU's candidate; the sum of the other gates' biases is in `bias`
    biases = np.concatenate([arrange(layer.bias), arrange(recurrent_bias)], axis=1)
    return arrange(layer.input), arrange(layer.recurrent), biases[:, :, 0]


def _add_pooling(graph: _Graph, network: Network, states: str, final: str) -> str:
    """Pool what `_add_layers` returns over time, the first axis, `[batch, directions * hidden]`."""
    pooling = network.config.pooling
    if pooling == "last":
        size = len(network.head)
        return graph.add("Reshape", graph.add("Transpose", final, perm=[1, 0, 2]), graph.hold_numbers(0, size))
    states = _join_directions(graph, states, network)
    inside = graph.add("Transpose", graph.add_mask("ids", "lengths"), perm=[1, 0])
    inside = graph.add("Unsqueeze", inside, graph.hold_numbers(2))
    outside = graph.hold("outside", np.array(0 if pooling == "mean" else -np.inf, dtype=np.float32))
    if network.score is not None:
        scores = graph.add("MatMul", states, graph.hold("score", network.score))
        weights = graph.add("Softmax", graph.add("Where", inside, scores, outside), axis=0)
        return graph.add("ReduceSum", graph.add("Mul", weights, states), graph.hold_numbers(0), keepdims=0)
    masked = graph.add("Where", inside, states, outside)
    if pooling == "max":
        return graph.add("ReduceMax", masked, axes=[0], keepdims=0)
    lengths = graph.add("Unsqueeze", graph.add("Cast", "lengths", to=TensorProto.FLOAT), graph.hold_numbers(1))
    return graph.add("Div", graph.add("ReduceSum", masked, graph.hold_numbers(0), keepdims=0), lengths)


def _add_ngrams(graph: _Graph, weight: np.ndarray, squares: np.ndarray) -> str:
    """Add the votes of n-grams, `[batch, classes]`: `Ngrams.vote`, of padded hashes."""
    buckets, classes = weight.shape
    table = graph.hold("ngrams_table", np.concatenate([weight, squares[:, None]], axis=1))
    found = graph.add("Gather", table, graph.add("Mod", "ngrams", graph.hold_numbers(buckets)))
    inside = graph.add("Cast", graph.add_mask("ngrams", "ngram_counts"), to=TensorProto.FLOAT)
    sums = graph.add("MatMul", graph.add("Unsqueeze", inside, graph.hold_numbers(1)), found)
    sums = graph.add("Squeeze", sums, graph.hold_numbers(1))
    votes, total = graph.add_many("Split", [sums, graph.hold_numbers(classes, 1)], ["votes", "squares"], axis=1)
    least = graph.hold("least", np.array(np.finfo(np.float32).tiny))
    return graph.add("Div", votes, graph.add("Sqrt", graph.add("Max", total, least)))
