"""The optimizer, with a learning rate for each kind of weights."""

import torch
from torch import Tensor, nn

from unroll.models.layers import PartialEmbedding
from unroll.models.ngrams import NgramVotes


def make_optimizer(
    model: nn.Module, learning_rate: float, embedding_rate: float, ngram_rate: float
) -> torch.optim.Optimizer:
    """Return Adam (Kingma & Ba 2015, arXiv:1412.6980).

    embedding_rate: the embeddings' share of the learning rate; ngram_rate: the learning rate of n-grams. The first
    group has all other weights, and so the learning rate that is reported.
    """
    embeddings, ngrams = find_embeddings(model), _find_ngrams(model)
    known = set(map(id, embeddings + ngrams))
    others = [weight for weight in model.parameters() if id(weight) not in known]
    rates = (learning_rate, learning_rate * embedding_rate, ngram_rate)
    groups = zip((others, embeddings, ngrams), rates, strict=True)
    parameters = [{"params": weights, "lr": rate} for weights, rate in groups if weights]
    return torch.optim.Adam(parameters, fused=True)


def find_embeddings(model: nn.Module) -> list[Tensor]:
    """Return the weights of the model's embeddings."""
    return [module.weight for module in model.modules() if isinstance(module, nn.Embedding | PartialEmbedding)]


def _find_ngrams(model: nn.Module) -> list[Tensor]:
    return [module.weight for module in model.modules() if isinstance(module, NgramVotes)]
