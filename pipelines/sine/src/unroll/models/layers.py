"""Layers like PyTorch's, but faster for this use: dropout, and an embedding that is trained in part."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unroll.text.tokens import PADDING_ID, UNKNOWN_ID


class PartialEmbedding(nn.Module):
    """An embedding of all tokens, of which only some are trained.

    The others are words that have a pretrained vector but occur in no training text. Their gradient is zero, and so is
    Adam's update. There can be as many as trained ones, and each step would go over all of them for the gradient's
    norm, for Adam and for the average of the weights.

    weight: [trained, features]; others: [not trained, features]; rows: [vocabulary] int64, the row of a token's vector
    in the two, one after the other.
    """

    others: Tensor
    rows: Tensor

    def __init__(self, whole: nn.Embedding, is_trained: Tensor) -> None:
        """whole: all vectors; is_trained: [vocabulary] bool, true for padding, too, though its vector never changes."""
        super().__init__()
        vectors = whole.weight.detach()
        self.weight = nn.Parameter(vectors[is_trained])
        self.register_buffer("others", vectors[~is_trained])
        # The first argsort lists the ids as the two hold them; the second inverts that to each id's row.
        self.register_buffer("rows", torch.argsort(torch.argsort(~is_trained, stable=True)))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids `[batch, time]` int64, while training only trained ones, to vectors `[batch, time, features]`."""
        rows, trained = self.rows[ids], len(self.weight)
        if self.training:
            return F.embedding(rows, self.weight, PADDING_ID)
        known = F.embedding(rows.clamp(max=trained - 1), self.weight)
        other = F.embedding((rows - trained).clamp(min=0), self.others)
        return torch.where((rows < trained)[..., None], known, other)


def limit_embedding(whole: nn.Embedding, ids: np.ndarray) -> nn.Embedding | PartialEmbedding:
    """Return an embedding that trains only the vectors of these tokens and of the unknown one.

    ids: [tokens] int32, all that training may meet.
    """
    met = np.zeros(whole.num_embeddings, dtype=bool)
    met[[PADDING_ID, UNKNOWN_ID]] = True
    met[ids] = True
    return whole if met.all() else PartialEmbedding(whole, torch.from_numpy(met))


def join_embedding(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a model's weights with all vectors in `embedding.weight`, whether or not the embedding was limited."""
    rest = {name: weight for name, weight in weights.items() if not name.startswith("embedding.")}
    whole = weights["embedding.weight"]
    if "embedding.rows" in weights:
        whole = torch.cat([whole, weights["embedding.others"]])[weights["embedding.rows"]]
    return {"embedding.weight": whole} | rest


class Dropout(nn.Module):
    """While training, make values zero with the given probability, and scale up the others (Srivastava et al. 2014).

    PyTorch's layer draws for each value whether to keep it. Drawing many uniform numbers at once, and comparing them
    with the probability, is faster.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, values: Tensor) -> Tensor:
        """Values of any shape, to the same shape; their expectation is unchanged."""
        if not self.training or not self.probability:
            return values
        return values * self.draw(values).ge_(self.probability).div_(1 - self.probability)

    def draw(self, values: Tensor) -> Tensor:
        """Return a random number between 0 and 1 for each value."""
        return torch.rand_like(values)
