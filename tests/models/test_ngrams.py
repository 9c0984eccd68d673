"""Votes of n-grams: the logits of a linear classifier of TF-IDF, learned beside the recurrent layers."""

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfTransformer

from builders import make_config
from unroll.models.classifier import TextClassifier
from unroll.models.ngrams import NgramVotes
from unroll.models.predict import compute_outputs
from unroll.text.tokens import Tokens
from unroll.training.optimizer import make_optimizer

BUCKETS = 40


def make_texts(rows: int, seed: int = 0, highest: int = 2**32) -> Tokens:
    random = np.random.default_rng(seed)
    ngrams = [random.integers(highest, size=random.integers(0, 12), dtype=np.uint32) for _ in range(rows)]
    return Tokens.from_lists([[2, 3]] * rows, [row % 2 for row in range(rows)], [np.unique(text) for text in ngrams])


def count_buckets(tokens: Tokens) -> np.ndarray:
    counts = np.zeros((len(tokens), BUCKETS))
    for row, (first, end) in enumerate(zip(tokens.ngram_offsets[:-1], tokens.ngram_offsets[1:], strict=True)):
        np.add.at(counts[row], tokens.ngrams[first:end] % BUCKETS, 1)
    return counts


def test_a_text_is_what_scikit_learn_makes_of_it() -> None:
    train, other = make_texts(30, highest=BUCKETS - 5), make_texts(9, seed=1, highest=BUCKETS)
    votes = NgramVotes(BUCKETS, BUCKETS)
    votes.weigh(train)
    with torch.no_grad():
        votes.weight.copy_(torch.eye(BUCKETS))  # then a text's logits are its features
    rows = np.arange(len(other))
    found = votes(*map(torch.from_numpy, other.gather_extras(rows))).detach().numpy()
    seen = count_buckets(train).any(axis=0)
    counts = np.where(seen, count_buckets(other), 0)  # its vocabulary is that of the training texts
    expected = TfidfTransformer().fit(count_buckets(train)).transform(counts).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not seen.all()
    assert counts.any()


def test_ngrams_of_no_training_text_say_nothing() -> None:
    votes = NgramVotes(BUCKETS, 2)
    votes.weigh(Tokens.from_lists([[2]], [0], [np.array([3], dtype=np.uint32)]))
    with torch.no_grad():
        votes.weight.fill_(5)
    logits = votes(torch.tensor([3, 4, 4, 5]), torch.tensor([0, 2, 4]))
    torch.testing.assert_close(logits, torch.tensor([[5.0, 5], [0, 0], [0, 0]]))


def test_the_network_adds_them_to_its_logits_for_the_right_texts() -> None:
    torch.manual_seed(0)
    model = TextClassifier(make_config(ngrams=BUCKETS))
    tokens = make_texts(20)
    before = compute_outputs(model, tokens, 6)
    with torch.no_grad():
        model.ngrams.weight.normal_()
    after = compute_outputs(model, tokens, 6)
    votes = model.ngrams(*map(torch.from_numpy, tokens.gather_extras(np.arange(20))))
    torch.testing.assert_close(after - before, votes.detach())


def test_they_have_a_learning_rate_of_their_own() -> None:
    model = TextClassifier(make_config(ngrams=BUCKETS))
    others, embeddings, ngrams = make_optimizer(model, 0.5, 0.1, 10.0).param_groups
    assert (others["lr"], embeddings["lr"], ngrams["lr"]) == (0.5, 0.05, 10.0)
    assert ngrams["params"] == [model.ngrams.weight]
    assert embeddings["params"] == [model.embedding.weight]
    assert len(others["params"]) == len(list(model.parameters())) - 2
