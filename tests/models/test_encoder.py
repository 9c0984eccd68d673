"""The model's mathematics: batched, packed and one by one are the same, and no direction reads padding."""

import itertools
from typing import get_args

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from builders import make_config
from unroll.models.batches import make_batch
from unroll.models.classifier import EMBEDDING_STD, TextClassifier
from unroll.models.predict import compute_outputs, count_parameters
from unroll.params.common import Cell
from unroll.text.tokens import PADDING_ID, Tokens

CELLS, POOLINGS = get_args(Cell), ("last", "max", "mean", "attention")
VARIANTS = list(itertools.product(CELLS, (False, True), POOLINGS, (1, 2)))


def make_model(cell: str = "gru", bidirectional: bool = True, pooling: str = "max", layers: int = 1) -> TextClassifier:
    torch.manual_seed(0)
    changes = {"cell": cell, "bidirectional": bidirectional, "pooling": pooling, "layers": layers}
    config = make_config(**changes, embedding_dropout=0.5, dropout=0.5, classes=4)
    model = TextClassifier(config)
    with torch.no_grad():
        model.embedding.weight.mul_(10)  # larger differences between texts make a sharper test
    return model.eval()


def make_tokens(lengths: list[int]) -> Tokens:
    random = np.random.default_rng(0)
    return Tokens.from_lists([random.integers(2, 50, size=length).tolist() for length in lengths], [0] * len(lengths))


def run_rows(model: TextClassifier, tokens: Tokens, rows: list[int]) -> torch.Tensor:
    batch = make_batch(tokens, np.array(rows))
    with torch.inference_mode():
        return model(batch.inputs, batch.lengths)


@pytest.mark.parametrize(("cell", "bidirectional", "pooling", "layers"), VARIANTS)
def test_batched_packed_and_one_by_one_give_the_same_logits(
    cell: str, bidirectional: bool, pooling: str, layers: int
) -> None:
    model = make_model(cell, bidirectional, pooling, layers)
    lengths = [5, 1, 9, 5, 2, 9, 5]
    tokens = make_tokens(lengths)
    one_by_one = torch.cat([run_rows(model, tokens, [row]) for row in range(len(lengths))])
    packed = run_rows(model, tokens, list(range(len(lengths))))
    equal_length = run_rows(model, tokens, [0, 3, 6])
    torch.testing.assert_close(packed, one_by_one, atol=1e-5, rtol=0)
    torch.testing.assert_close(equal_length, one_by_one[[0, 3, 6]], atol=1e-5, rtol=0)
    torch.testing.assert_close(compute_outputs(model, tokens, batch_size=2), one_by_one, atol=1e-5, rtol=0)
    assert (
        one_by_one[0] - one_by_one[3]
    ).abs().max() > 1e-3  # the texts differ, so a model that ignored them would fail


@pytest.mark.parametrize(("cell", "pooling"), list(itertools.product(CELLS, POOLINGS)))
def test_what_stands_in_the_padding_does_not_matter(cell: str, pooling: str) -> None:
    model = make_model(cell, True, pooling)
    batch = make_batch(make_tokens([3, 7, 5]), np.array([0, 1, 2]))
    changed = batch.inputs.masked_fill(batch.inputs == PADDING_ID, 17)
    with torch.inference_mode():
        assert torch.equal(model(batch.inputs, batch.lengths), model(changed, batch.lengths))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_the_final_state_is_forward_at_the_end_and_backward_at_the_start(cell: str, layers: int) -> None:
    encoder = make_model(cell, layers=layers).encoder
    features = torch.randn(3, 6, 8)
    lengths = torch.tensor([6, 4, 2])
    with torch.inference_mode():
        states, final = encoder(features, lengths)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(final[row, :12], states[row, length - 1, :12])
        torch.testing.assert_close(final[row, 12:], states[row, 0, 12:])
        assert not states[row, length:].any()


@pytest.mark.parametrize("cell", CELLS)
def test_the_backward_direction_reads_the_text_from_its_end(cell: str) -> None:
    """With the weights of both directions exchanged, the reversed text gives the exchanged states."""
    encoder = make_model(cell).encoder
    features = torch.randn(1, 6, 8)
    with torch.inference_mode():
        _, final = encoder(features)
        weights = encoder.layers.state_dict()
        exchanged = {
            name.removesuffix("_reverse") if "_reverse" in name else f"{name}_reverse": w for name, w in weights.items()
        }
        encoder.layers.load_state_dict({name: weight.clone() for name, weight in exchanged.items()})
        _, reversed_final = encoder(features.flip(1))
    torch.testing.assert_close(final, reversed_final.roll(12, dims=1))


def test_poolings_by_hand() -> None:
    states = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [0.0, 0.0]]])  # two steps and one of padding
    final, lengths = torch.tensor([[9.0, 9.0]]), torch.tensor([2])
    expected = {"last": [9.0, 9.0], "max": [3.0, -5.0], "mean": [2.0, -6.0]}
    for pooling, values in expected.items():
        assert make_model(pooling=pooling).pooling(states, final, lengths).tolist() == [values]
    attention = make_model(pooling="attention").pooling
    attention.score = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        attention.score.weight.copy_(torch.tensor([[1.0, 0.0]]))
        weights = torch.softmax(torch.tensor([1.0, 3.0]), dim=0)
        pooled = attention(states, final, lengths)
    torch.testing.assert_close(pooled[0], weights @ states[0, :2])


def test_dropout_works_in_training_only() -> None:
    model = make_model()
    ids = torch.tensor([[3, 4, 5]])
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


def test_embeddings_start_from_vectors_where_there_are_any() -> None:
    torch.manual_seed(1)
    model, random = make_model(), np.random.default_rng(0)
    before = model.embedding.weight.detach().clone()
    vectors = random.normal(0, 7, before.shape).astype(np.float32)
    vectors[[PADDING_ID, 5]] = 0
    model.start_from(vectors)
    after = model.embedding.weight.detach()
    known = vectors.any(axis=1)
    assert torch.equal(after[~known], before[~known])
    assert torch.equal(after[known], torch.from_numpy(vectors[known]))


def test_a_head_of_one_logit_is_binary_cross_entropy() -> None:
    torch.manual_seed(0)
    model = TextClassifier(make_config(head="logit")).eval()
    ids, labels = torch.randint(2, 50, (6, 5)), torch.tensor([0, 1, 1, 0, 1, 0])
    logits = model(ids)
    assert model.head.out_features == 1 and logits.shape == (6, 2)
    expected = binary_cross_entropy_with_logits(logits[:, 1], labels.float())
    torch.testing.assert_close(cross_entropy(logits, labels), expected)
    torch.testing.assert_close(torch.softmax(logits, dim=1)[:, 1], torch.sigmoid(logits[:, 1]))


def test_embeddings_start_small_and_padding_at_zero() -> None:
    changes = {"cell": "rnn", "bidirectional": False, "pooling": "last"}
    config = make_config(**changes, embedding_size=100, hidden_size=4, vocabulary_size=5000)
    model = TextClassifier(config)
    assert model.embedding.weight[1:].std().item() == pytest.approx(EMBEDDING_STD, rel=0.02)
    assert not model.embedding.weight[PADDING_ID].any()
    # embedding + input, hidden and two bias vectors of the RNN + head
    assert count_parameters(model) == 5000 * 100 + (100 * 4 + 4 * 4 + 4 + 4) + (4 * 2 + 2)
