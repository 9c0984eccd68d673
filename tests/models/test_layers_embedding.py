"""The embedding that trains only what training texts have: the same model as with all of it, in less time."""

import numpy as np
import pytest
import torch

from builders import make_config, make_params, make_tokens
from unroll.models.classifier import TextClassifier, drop_words
from unroll.models.layers import PartialEmbedding, join_embedding, limit_embedding
from unroll.text.tokens import PADDING_ID, UNKNOWN_ID
from unroll.training.loop import Options, Task, train_model
from unroll.training.progress import Training

WORDS = 40  # those of make_tokens
VOCABULARY = 100  # the rest are words that only pretraining has met


def make_model() -> TextClassifier:
    torch.manual_seed(0)
    return TextClassifier(make_config(hidden_size=16, vocabulary_size=VOCABULARY))


def train(limited: bool, frozen_epochs: float = 0, **changes: object) -> Training:
    train_tokens, val_tokens = make_tokens(200, 1), make_tokens(50, 2)
    val_tokens.ids[::3] += WORDS  # words that no training text has
    model = make_model()
    if limited:
        model.embedding = limit_embedding(model.embedding, train_tokens.ids)
        assert isinstance(model.embedding, PartialEmbedding)
    options = Options(lambda ids: drop_words(ids, 0.1), embedding_rate=0.5, frozen_epochs=frozen_epochs)
    return train_model(model, Task(train_tokens, val_tokens, make_params(**changes), options=options))


@pytest.mark.parametrize("weight_average", [0.0, 0.9])
@pytest.mark.parametrize("frozen_epochs", [0, 1, 9])
def test_training_is_the_same_as_with_all_vectors(weight_average: float, frozen_epochs: int) -> None:
    # A norm is summed in another order, so the last digits may differ where gradients are clipped.
    limited, whole = (
        train(is_limited, frozen_epochs, weight_average=weight_average, epochs=4, clip_norm=0.1)
        for is_limited in (True, False)
    )
    assert limited.history[-1].clipped_steps > 0
    for first, second in zip(limited.history, whole.history, strict=True):
        assert first.as_row() == pytest.approx(second.as_row(), rel=1e-4)
    joined = join_embedding(limited.weights)
    assert joined.keys() == whole.weights.keys()
    for name, weight in whole.weights.items():
        torch.testing.assert_close(joined[name], weight, rtol=1e-3, atol=1e-5)


def test_what_no_training_text_has_stays_as_it_was_bit_for_bit() -> None:
    start, end = make_model().embedding.weight.detach(), join_embedding(train(limited=True).weights)["embedding.weight"]
    changed = (start != end).any(dim=1)
    assert not changed[WORDS:].any() and not changed[PADDING_ID]
    assert changed[UNKNOWN_ID:WORDS].all()


@pytest.mark.parametrize("seed", range(5))
def test_every_token_has_its_vector(seed: int) -> None:
    random = np.random.default_rng(seed)
    whole = make_model().embedding
    ids = random.choice(VOCABULARY, size=30)
    limited = limit_embedding(whole, ids).eval()
    asked = torch.from_numpy(random.integers(VOCABULARY, size=(4, 7)))
    assert torch.equal(limited(asked), whole(asked))
    assert torch.equal(limited.train()(torch.from_numpy(ids)), whole(torch.from_numpy(ids)))
    weights = {f"embedding.{name}": weight for name, weight in limited.state_dict().items()}
    assert torch.equal(join_embedding(weights | {"head.bias": torch.zeros(1)})["embedding.weight"], whole.weight)


def test_where_all_tokens_are_met_nothing_is_limited() -> None:
    whole = make_model().embedding
    assert limit_embedding(whole, np.arange(2, VOCABULARY)) is whole
    weights = {"embedding.weight": whole.weight}
    assert join_embedding(weights)["embedding.weight"] is whole.weight
