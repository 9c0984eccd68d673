"""Layers that PyTorch has too, faster for what is done here: dropout, and an embedding of which a part is trained."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unroll.text.tokens import PADDING_ID, UNKNOWN_ID


class PartialEmbedding(nn.Module):
    """An embedding of all tokens, of which some are weights and the others stay as they are.

    The others are words that pretraining has vectors of and no training text has: their gradient is zero, and so is
    what Adam adds to them. They can be as many as those that are trained, and each step would go over all of them for
    the gradient's norm, for Adam and for the average of the weights.

    weight: [trained, features]; others: [not trained, features]; rows: [vocabulary] int64, where a token's vector
    stands in both of them together.
    """

    others: Tensor
    rows: Tensor

    def __init__(self, whole: nn.Embedding, is_trained: Tensor) -> None:
        """whole: all vectors; is_trained: [vocabulary] bool, true for padding, which keeps its vector nevertheless."""
        super().__init__()
        vectors = whole.weight.detach()
        self.weight = nn.Parameter(vectors[is_trained])
        self.register_buffer("others", vectors[~is_trained])
        # Both in the order of the ids; the position of each id among them is the inverse of the ids in that order.
        self.register_buffer("rows", torch.argsort(torch.argsort(~is_trained, stable=True)))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids `[batch, time]` int64, while training only such as are trained, to vectors `[batch, time, features]`."""
        rows, trained = self.rows[ids], len(self.weight)
        if self.training:
            return F.embedding(rows, self.weight, PADDING_ID)
        known = F.embedding(rows.clamp(max=trained - 1), self.weight)
        other = F.embedding((rows - trained).clamp(min=0), self.others)
        return torch.where((rows < trained)[..., None], known, other)


def limit_embedding(whole: nn.Embedding, ids: np.ndarray) -> nn.Embedding | PartialEmbedding:
    """Return an embedding that trains the vectors of these tokens, and the unknown one's, alone.

    ids: [tokens] int32, all that training may meet.
    """
    met = np.zeros(whole.num_embeddings, dtype=bool)
    met[[PADDING_ID, UNKNOWN_ID]] = True
    met[ids] = True
    return whole if met.all() else PartialEmbedding(whole, torch.from_numpy(met))


def join_embedding(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a model's weights with all vectors in `embedding.weight`, whether they were limited or not."""
    rest = {name: weight for name, weight in weights.items() if not name.startswith("embedding.")}
    whole = weights["embedding.weight"]
    if "embedding.rows" in weights:
        whole = torch.cat([whole, weights["embedding.others"]])[weights["embedding.rows"]]
    return {"embedding.weight": whole} | rest


class Dropout(nn.Module):
    """While training, make values zero with the given probability, and scale up the others (Srivastava et al. 2014).

    PyTorch's layer draws for each value whether it is kept; uniform random numbers, to be compared with the
    probability, come many at once.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, values: Tensor) -> Tensor:
        """Values of any shape, to as many, whose expectation is the values."""
        if not self.training or not self.probability:
            return values
        scale = torch.rand_like(values).ge_(self.probability).div_(1 - self.probability)
        return values * scale
