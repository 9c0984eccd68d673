"""Direct connections from a text's n-grams to the classes: a linear classifier inside the network."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unroll.text.tokens import Tokens


class NgramVotes(nn.Module):
    """What a text's n-grams say about its class, to be added to the recurrent layers' logits.

    Trained together, each learns what the other leaves: Mikolov et al. 2011, "Strategies for training large scale
    neural network language models" (hashed n-grams beside an RNN); Cheng et al. 2016, arXiv:1606.07792 (wide and deep).
    A text is its n-grams' inverse document frequencies, scaled to length one, as in the linear baseline.

    weight: [buckets, outputs], zero before training; idf: [buckets], zero for what training texts do not have.
    """

    idf: Tensor

    def __init__(self, buckets: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(buckets, outputs))
        self.register_buffer("idf", torch.ones(buckets))

    def forward(self, hashes: Tensor, starts: Tensor) -> Tensor:
        """Hashes of all texts' n-grams ([n-grams] int64) and where each text's begin ([batch] int64) to logits.

        Returns:
            `[batch, outputs]`; zeros for a text that has no n-grams, or none that training texts have.
        """
        buckets = hashes % len(self.idf)
        weights = self.idf[buckets]
        votes = F.embedding_bag(buckets, self.weight, starts, mode="sum", per_sample_weights=weights)
        squares = F.embedding_bag(buckets, self.idf.square()[:, None], starts, mode="sum")
        return votes * squares.clamp(min=torch.finfo().tiny).rsqrt()

    def weigh(self, train: Tokens) -> None:
        """Set `idf` by the training texts: log((1 + texts) / (1 + texts that have it)) + 1, as scikit-learn does."""
        buckets = len(self.idf)
        counts = np.zeros(buckets, dtype=np.int64)
        for first, end in zip(train.ngram_offsets[:-1], train.ngram_offsets[1:], strict=True):
            counts[np.unique(train.ngrams[first:end] % buckets)] += 1
        idf = np.log((1 + len(train)) / (1 + counts)) + 1
        self.idf.copy_(torch.from_numpy(np.where(counts > 0, idf, 0)))
