"""The optimizer, with a learning rate for each kind of weights."""

from inspect import unwrap

import torch
from torch import Tensor, nn

from unroll.models.layers import PartialEmbedding
from unroll.models.ngrams import NgramVotes


class Adam(torch.optim.Adam):
    """PyTorch's Adam (Kingma & Ba 2015, arXiv:1412.6980), without the way into PyTorch's compiler.

    Around these methods PyTorch wraps what a compiled program needs. Nothing is compiled here, and importing the
    compiler would take longer than a short training.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
    zero_grad = unwrap(torch.optim.Adam.zero_grad)


def make_optimizer(model: nn.Module, learning_rate: float, embedding_rate: float, ngram_rate: float) -> Adam:
    """Return the optimizer, its weights in groups by their learning rates.

    embedding_rate: the embeddings' share of the learning rate; ngram_rate: the learning rate of n-grams. The first
    group has all other weights, and so the learning rate that is reported.
    """
    embeddings, ngrams = find_embeddings(model), _find_ngrams(model)
    known = set(map(id, embeddings + ngrams))
    others = [weight for weight in model.parameters() if id(weight) not in known]
    rates = (learning_rate, learning_rate * embedding_rate, ngram_rate)
    groups = zip((others, embeddings, ngrams), rates, strict=True)
    parameters = [{"params": weights, "lr": rate} for weights, rate in groups if weights]
    return Adam(parameters, fused=True)


def find_embeddings(model: nn.Module) -> list[Tensor]:
    """Return the weights of the model's embeddings."""
    return [module.weight for module in model.modules() if isinstance(module, nn.Embedding | PartialEmbedding)]


def _find_ngrams(model: nn.Module) -> list[Tensor]:
    return [module.weight for module in model.modules() if isinstance(module, NgramVotes)]
