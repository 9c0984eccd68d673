"""The trained classifier in NumPy: the mathematics of unroll.models.classifier, without PyTorch's second to import.

The first axis of states is the direction (one or two); the backward direction reads the reversed texts.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from unroll.inference.network import Layer, Network
from unroll.inference.packing import Packed, pack_one, pack_texts
from unroll.text.tokens import Tokens

TABLE_BYTES = 2**28  # the largest table of words


def predict_one(network: Network, ids: list[int], ngrams: np.ndarray | None = None) -> np.ndarray:
    """Return the classes' probabilities of a text of at least one token, `[1, classes]` float32.

    ngrams: the hashes of its n-grams, [n-grams] uint32.
    """
    # Too little work for a table or for several threads.
    logits = _compute_batch(network, pack_one(ids), None)
    if network.ngrams and ngrams is not None:
        logits += network.ngrams.vote(ngrams, np.zeros(1, dtype=np.int64))
    return _apply_softmax(logits, network.config.temperature)


def predict_all(network: Network, tokens: Tokens) -> np.ndarray:
    """Return the classes' probabilities of texts of at least one token each, `[rows, classes]` float32."""
    return _apply_softmax(compute_logits(network, tokens), network.config.temperature)


def compute_logits(network: Network, tokens: Tokens) -> np.ndarray:
    """Return the logits of texts of at least one token each, `[rows, classes]` float32.

    One thread computes: more gain little on products of this size, and lose much on a busy machine.
    """
    logits = np.empty((len(tokens), network.config.classes), dtype=np.float32)
    with network.blas.limit(limits=1):
        # Projecting every word, once for all calls, is then less work than projecting every token.
        pays = len(tokens.ids) >= len(network.embedding) and network.table_bytes <= TABLE_BYTES
        table = network.table if pays else None
        for packed in pack_texts(tokens):
            logits[packed.rows] = _compute_batch(network, packed, table)
            if network.ngrams:
                logits[packed.rows] += network.ngrams.vote(*tokens.gather_extras(packed.rows))
    return logits


def _apply_softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = logits / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _compute_batch(network: Network, packed: Packed, table: np.ndarray | None) -> np.ndarray:
    """Return the logits of the texts, `[texts, classes]`."""
    cell, (first, *others) = network.config.cell, network.layers
    order = np.arange(len(packed.ids))[None]
    if network.config.bidirectional:
        order = np.concatenate([order, packed.mirror[None]])
    if table is None:
        projected, index = first.project(network.embedding.take(packed.ids, axis=0)), order
    else:
        projected, index = table, packed.ids[order]
    states = _read(cell, first, projected, index, packed.sizes)
    for layer in others:
        states = _read(cell, layer, layer.project(_align(states, packed)), order, packed.sizes)
    return _pool(network, states, packed) @ network.head + network.head_bias


def _read(cell: str, layer: Layer, projected: np.ndarray, index: np.ndarray, sizes: list[int]) -> Iterator[np.ndarray]:
    """Yield the states after the first tokens, after the second …: `[directions, texts, hidden]`.

    projected: what inputs add to the gates, `[gates, directions * inputs, hidden]`; index: the inputs that each
    direction reads, in that order, `[directions, tokens]` int64; sizes: how many texts have a first token, a second ….
    """
    gates, directions, _, hidden_size = layer.input.shape
    if directions == 2:  # the inputs of the backward direction come after those of the forward one
        index = index + np.array([[0], [projected.shape[1] // 2]])
    step, texts, start = STEPS[cell], sizes[0], 0
    # Before the first token, the state is zero, and adds nothing to the gates.
    hidden = np.zeros((directions, texts, hidden_size), dtype=np.float32)
    product = np.zeros((gates, directions, texts, hidden_size), dtype=np.float32)
    extra = layer.extra.repeat(texts, axis=1)
    for size in sizes:
        if start:
            if size < hidden.shape[1]:
                hidden, extra = hidden[:, :size], extra[:, :size]
            product = hidden @ layer.recurrent
        hidden = step(projected.take(index[:, start : start + size], axis=1), product, hidden, extra)
        yield hidden
        start += size


# A step returns the next states, `[directions, texts, hidden]`. inputs, product: what the tokens and the last states
# add to the gates, `[gates, directions, texts, hidden]`; hidden: the last states. The product is overwritten.


def _step_rnn(inputs: np.ndarray, product: np.ndarray, hidden: np.ndarray, extra: np.ndarray) -> np.ndarray:
    product += inputs
    return np.tanh(product[0])


def _step_gru(inputs: np.ndarray, product: np.ndarray, hidden: np.ndarray, bias: np.ndarray) -> np.ndarray:
    gates, candidate = product[:2], product[2]
    gates += inputs[:2]
    reset, update = _finish_sigmoid(gates)
    candidate += bias
    candidate *= reset
    candidate += inputs[2]
    np.tanh(candidate, out=candidate)
    after = hidden - candidate
    after *= update
    after += candidate
    return after


def _step_lstm(inputs: np.ndarray, product: np.ndarray, hidden: np.ndarray, memory: np.ndarray) -> np.ndarray:
    product += inputs
    candidate = np.tanh(product[3], out=product[3])
    entry, forget, output = _finish_sigmoid(product[:3])
    candidate *= entry
    memory *= forget  # in place: the next step reads it there
    memory += candidate
    after = np.tanh(memory)
    after *= output
    return after


def _finish_sigmoid(halved: np.ndarray) -> np.ndarray:
    np.tanh(halved, out=halved)
    halved *= 0.5
    halved += 0.5
    return halved


STEPS: dict[str, Callable[..., np.ndarray]] = {"rnn": _step_rnn, "gru": _step_gru, "lstm": _step_lstm}


def _pool(network: Network, states: Iterator[np.ndarray], packed: Packed) -> np.ndarray:
    """Pool the states of each text as unroll.models.classifier does, `[texts, directions * hidden]`."""
    if network.config.pooling == "attention":
        features = _align(states, packed)
        scores = features @ network.score
        cuts = np.cumsum(packed.sizes)[:-1]
        weights = np.exp(scores - _reduce(np.maximum, np.split(scores, cuts))[packed.texts])
        return _reduce(np.add, np.split(features * weights, cuts)) / _reduce(np.add, np.split(weights, cuts))
    if network.config.pooling == "mean":
        pooled = _reduce(np.add, states) / packed.lengths[:, None].astype(np.float32)
    else:
        pooled = _reduce(np.maximum if network.config.pooling == "max" else _take_later, states)
    return pooled.swapaxes(0, 1).reshape(len(packed.rows), -1)


def _align(states: Iterator[np.ndarray], packed: Packed) -> np.ndarray:
    """Join the states of both directions at each token, `[tokens, directions * hidden]`."""
    forward, *backward = np.concatenate(list(states), axis=1)
    return np.concatenate([forward, *(found[packed.mirror] for found in backward)], axis=1)


def _reduce(operation: Callable[[np.ndarray, np.ndarray], np.ndarray], steps: Iterable[np.ndarray]) -> np.ndarray:
    """Reduce the values of the first tokens, the second …, each `[..., texts, size]`, to one value for each text."""
    steps = iter(steps)
    result = next(steps)
    for values in steps:
        texts = values.shape[-2]
        if texts == result.shape[-2]:
            result = operation(result, values)
        else:  # texts that have ended keep their result
            result = np.concatenate([operation(result[..., :texts, :], values), result[..., texts:, :]], axis=-2)
    return result


def _take_later(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    return later
