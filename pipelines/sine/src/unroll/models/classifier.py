"""The classifier of texts: embedding → RNN, GRU or LSTM → pooling over time → linear head, beside n-grams' votes."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from unroll.models.encoder import Pooling, RecurrentEncoder
from unroll.models.files import ModelConfig, load_weights
from unroll.models.layers import Dropout
from unroll.models.ngrams import NgramVotes
from unroll.text.tokens import PADDING_ID, UNKNOWN_ID

EMBEDDING_STD = 0.1  # PyTorch's N(0, 1) costs more than three points of accuracy on headlines


class TextClassifier(nn.Module):
    """Token ids to one logit for each class."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size, padding_idx=PADDING_ID)
        self.embedding_dropout = Dropout(config.embedding_dropout)
        self.encoder = RecurrentEncoder(config.embedding_size, config)
        self.pooling = Pooling(config.pooling, self.encoder.output_size)
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(self.encoder.output_size, config.outputs)
        self.ngrams = NgramVotes(config.ngrams, config.outputs) if config.ngrams else None
        self._initialize()

    def forward(self, ids: Tensor, lengths: Tensor | None = None, *ngrams: Tensor) -> Tensor:
        """Ids `[batch, time]` int64, lengths ([batch] int64, on the CPU; None: full) to logits `[batch, classes]`.

        ngrams: the arguments of `NgramVotes`; without them, the recurrent layers decide alone.
        A head of one logit z says how much likelier the second class is than the first: the logits are 0 and z.
        Their softmax is the sigmoid of z, and their cross-entropy the binary cross-entropy of z.
        """
        features = self.embedding_dropout(self.embedding(ids))
        states, final = self.encoder(features, lengths)
        logits = self.head(self.dropout(self.pooling(states, final, lengths)))
        if self.ngrams is not None and ngrams:
            logits = logits + self.ngrams(*ngrams)
        return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], dim=1)

    def start_from(self, vectors: np.ndarray) -> None:
        """Start the embedding from pretrained vectors, `[vocabulary, features]` float32.

        A zero vector means that the token has none: it keeps its random start.
        """
        known = vectors.any(axis=1)
        with torch.no_grad():
            self.embedding.weight[torch.from_numpy(known)] = torch.from_numpy(vectors[known])

    def _initialize(self) -> None:
        nn.init.normal_(self.embedding.weight, std=EMBEDDING_STD)
        with torch.no_grad():
            self.embedding.weight[PADDING_ID].zero_()


def drop_words(ids: Tensor, probability: float) -> Tensor:
    """Make each token unknown with the given probability, so that the model learns to cope with unknown tokens."""
    if not probability:
        return ids
    return ids.masked_fill(torch.rand(ids.shape, device=ids.device) < probability, UNKNOWN_ID)


def load_model(path: Path, config: ModelConfig) -> TextClassifier:
    """Read models/model.safetensors, for evaluation.

    Raises:
        InputError: the file is missing or damaged, or its weights are not of a model of this configuration.
    """
    # Weights first: this checks the configuration's sizes before anything that large is made.
    weights = {name: torch.from_numpy(weight) for name, weight in load_weights(path, config).items()}
    model = TextClassifier(config)  # not on PyTorch's meta device, which costs a second of imports
    model.load_state_dict(weights, assign=True)
    return model.eval()
