"""The weights of a trained classifier, arranged for NumPy."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from threadpoolctl import ThreadpoolController

from unroll.models.files import GATES, ModelConfig, list_suffixes


@dataclass(frozen=True)
class Layer:
    """The weights of a recurrent layer, float32, with a block for each gate and direction.

    input: [gates, directions, features, hidden]; recurrent: [gates, directions, hidden, hidden]; bias: the sum of both
    biases, [gates, directions, 1, hidden]; extra: [directions, 1, hidden], the bias that a GRU's reset gate multiplies,
    or an LSTM's memory before the first token, zero.

    The gates are in PyTorch's order, except that an LSTM's candidate is last. The weights of all gates but the
    candidate are halved: sigmoid(x) is (tanh(x / 2) + 1) / 2, and NumPy's tanh is the faster function.
    """

    input: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    extra: np.ndarray

    def project(self, features: np.ndarray) -> np.ndarray:
        """Return what inputs add to the gates: `[inputs, features]` to `[gates, directions * inputs, hidden]`."""
        projected = features @ self.input
        projected += self.bias
        return projected.reshape(len(projected), -1, projected.shape[-1])


@dataclass(frozen=True)
class Ngrams:
    """What n-grams say about a text's class.

    weight: [buckets, classes], multiplied by idf; squares: [buckets], the square of idf; both float32.
    """

    weight: np.ndarray
    squares: np.ndarray

    def vote(self, hashes: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Hashes of all texts' n-grams ([n-grams]) and where each text's begin ([texts]) to logits.

        Returns:
            `[texts, classes]` float32; zeros for a text without n-grams.
        """
        votes = np.zeros((len(starts), self.weight.shape[1]), dtype=np.float32)
        has_any = np.diff(starts, append=len(hashes)) > 0
        if has_any.any():
            buckets, firsts = hashes % len(self.squares), starts[has_any]
            squares = np.add.reduceat(self.squares[buckets], firsts)
            sums = np.add.reduceat(self.weight[buckets], firsts)
            votes[has_any] = sums / np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny))[:, None]
        return votes


@dataclass(frozen=True)
class Network:
    """A classifier.

    embedding: [vocabulary, features]; score: attention's, [directions * hidden, 1]; head: [directions * hidden,
    classes]; head_bias: [classes]; all float32. blas: the library that computes NumPy's matrix products.
    """

    config: ModelConfig
    embedding: np.ndarray
    layers: list[Layer]
    score: np.ndarray | None
    head: np.ndarray
    head_bias: np.ndarray
    ngrams: Ngrams | None
    blas: ThreadpoolController

    @property
    def table_bytes(self) -> int:
        """The size of `table`."""
        return len(self.embedding) * self.layers[0].bias.nbytes

    @cached_property
    def table(self) -> np.ndarray:
        """What each word adds to the gates of the first layer, `[gates, directions * vocabulary, hidden]`."""
        return self.layers[0].project(self.embedding)


def build_network(weights: dict[str, np.ndarray], config: ModelConfig) -> Network:
    """Arrange the weights of a TextClassifier, given by their names in its state dictionary."""
    head, bias = weights["head.weight"], weights["head.bias"]
    if config.head == "logit":  # the logit of the second class; the first one's is 0
        head, bias = np.concatenate([np.zeros_like(head), head]), np.concatenate([np.zeros_like(bias), bias])
    ngrams = None
    if config.ngrams:
        idf, votes = weights["ngrams.idf"], weights["ngrams.weight"]
        votes = np.concatenate([np.zeros_like(votes), votes], axis=1) if config.head == "logit" else votes
        ngrams = Ngrams(votes * idf[:, None], idf**2)
    return Network(
        config,
        weights["embedding.weight"],
        [_arrange_layer(weights, config, number) for number in range(config.layers)],
        weights["pooling.score.weight"].T if config.pooling == "attention" else None,
        np.ascontiguousarray(head.T),
        bias,
        ngrams,
        ThreadpoolController().select(user_api="blas"),
    )


def _arrange_layer(weights: dict[str, np.ndarray], config: ModelConfig, number: int) -> Layer:
    gates, size = GATES[config.cell], config.hidden_size
    order = [0, 1, 3, 2] if config.cell == "lstm" else list(range(gates))
    scale = np.full((gates, 1, 1, 1), 0.5, dtype=np.float32)
    scale[-1] = 1

    def arrange(name: str) -> np.ndarray:
        """Return a weight of both directions, `[gates, directions, inputs (1 for a bias), hidden]`."""
        found = [weights[f"encoder.layers.{name}_{suffix}"] for suffix in list_suffixes(config, number)]
        blocks = np.stack([weight.reshape(gates, size, -1).swapaxes(1, 2) for weight in found], axis=1)
        return np.ascontiguousarray(blocks[order] * scale)

    bias, recurrent_bias = arrange("bias_ih"), arrange("bias_hh")
    extra = np.zeros_like(bias[-1])
    if config.cell == "gru":
        extra, recurrent_bias[-1] = recurrent_bias[-1].copy(), 0
    return Layer(arrange("weight_ih"), arrange("weight_hh"), bias + recurrent_bias, extra)
