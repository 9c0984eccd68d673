"""Word vectors from the training text itself, by skip-gram with negative sampling (Mikolov et al. 2013).

Distributed Representations of Words and Phrases and their Compositionality, arXiv:1310.4546; gensim's implementation.
"""

import logging
import math
from pathlib import Path

import numpy as np
from gensim.models import Word2Vec
from gensim.models.callbacks import CallbackAny2Vec
from tqdm import tqdm

from unroll.params.texts import PretrainParams

STANDARD_DEVIATION = 0.3  # of vectors learned from the text: the best start for an embedding


class ProgressBar(CallbackAny2Vec):  # type: ignore[misc]  # gensim comes without types
    """A progress bar over the epochs; hidden without a terminal."""

    def __init__(self, epochs: int) -> None:
        self._bar = tqdm(total=epochs, desc="pretrain", unit=" epochs", disable=None)

    def on_epoch_end(self, model: Word2Vec) -> None:
        self._bar.update()

    def on_train_end(self, model: Word2Vec) -> None:
        self._bar.close()


def learn_vectors(corpus: Path, vocabulary_size: int, size: int, epochs: int, params: PretrainParams) -> np.ndarray:
    """Return a vector for each token id, `[vocabulary, size]` float32; zeros for ids that are not in the text.

    corpus: a text file with one text a line, its token ids separated by spaces. Each epoch reads it again, so memory
    does not grow with it. A fixed seed and one thread make the result repeat.
    """
    logging.getLogger("gensim").setLevel(logging.ERROR)  # it warns that small texts are slow
    model = Word2Vec(
        corpus_file=str(corpus),
        sg=1,
        vector_size=size,
        window=params.window,
        epochs=epochs,
        alpha=params.learning_rate,
        min_count=1,  # the vocabulary already leaves out rare tokens
        seed=params.seed,
        workers=1,
        callbacks=[ProgressBar(epochs)],
    )
    vectors = np.zeros((vocabulary_size, size), dtype=np.float32)
    vectors[[int(token) for token in model.wv.index_to_key]] = model.wv.vectors
    return vectors


def count_epochs(words: int, params: PretrainParams) -> int:
    """Return how often a text of so many words is read: the shorter, the more often."""
    return max(params.epochs, math.ceil(params.least_words / words))


def scale_vectors(vectors: np.ndarray, std: float = STANDARD_DEVIATION) -> np.ndarray:
    """Scale the vectors so that the numbers of all nonzero ones have this standard deviation."""
    known = vectors.any(axis=1)
    return vectors * np.float32(std / vectors[known].std()) if known.any() else vectors
