"""From models/ to predictions: texts to probabilities, with the cleaning and the vocabulary of the training.

It needs neither PyTorch nor the training code, so a prediction starts at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unroll.base.errors import InputError
from unroll.base.files import read_json
from unroll.inference.forward import predict_all, predict_one
from unroll.inference.network import Network, build_network
from unroll.models.files import TEXT_PARTS, check_parts, load_config, load_labels, load_weights
from unroll.params.common import check_params
from unroll.text.clean import Cleaning, clean_text
from unroll.text.ngrams import make_hasher
from unroll.text.tokens import Tokens
from unroll.text.vocabulary import find_longest, load_tokenizer, make_text_tokenizer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Classifier:
    """Everything in models/; `encode` returns the token ids of a cleaned text, `hash_text` its n-grams' hashes."""

    cleaning: Cleaning
    encode: Callable[[str], list[int]]
    hash_text: Callable[[str], np.ndarray]
    network: Network
    class_names: list[str]

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities, `[texts, classes]` float32.

        A text that cleaning leaves empty has no prediction: its row is NaN.

        Raises:
            InputError: the weights are infinite or NaN.
        """
        cleaned = [clean_text(text, self.cleaning) for text in texts]
        ids = [self.encode(text) for text in cleaned]
        ngrams = [self.hash_text(text) for text in cleaned] if self.network.ngrams else None
        if len(ids) == 1 and ids[0]:  # batching would take a tenth of the time
            return _check_numbers(predict_one(self.network, ids[0], ngrams[0] if ngrams else None))
        probabilities = np.full((len(texts), len(self.class_names)), np.nan, dtype=np.float32)
        rows = [row for row, text in enumerate(ids) if text]
        if rows:
            found = [ngrams[row] for row in rows] if ngrams else None
            tokens = Tokens.from_lists([ids[row] for row in rows], [0] * len(rows), found)
            probabilities[rows] = _check_numbers(predict_all(self.network, tokens))
        return probabilities

    def tabulate(self, texts: list[str]) -> "pd.DataFrame":
        """Return a table with the columns `prediction` and `probability_CLASS`, one row for each text.

        The row of a text that has no prediction is empty.
        """
        import pandas as pd  # imported here: predicting one text needs no table

        probabilities = self.predict(texts)
        table = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in self.class_names])
        found = ~np.isnan(probabilities).any(axis=1)
        predictions = np.full(len(texts), "", dtype=object)
        predictions[found] = np.array(self.class_names, dtype=object)[probabilities[found].argmax(axis=1)]
        table.insert(0, "prediction", predictions)
        return table


def load_classifier(folder: Path = Path("models")) -> Classifier:
    """Read models/ and put its parts together.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
    """
    cleaning = check_params(read_json(folder / "cleaning.json"), Cleaning, folder / "cleaning.json")
    config = load_config(folder / "config.json")
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    class_names = load_labels(folder / "labels.json")
    if len(class_names) != config.classes or tokenizer.get_vocab_size() != config.vocabulary_size:
        raise InputError(
            f"{folder}: config.json is of a model with {config.classes} classes and {config.vocabulary_size} tokens, "
            f"labels.json and tokenizer.json have {len(class_names)} and {tokenizer.get_vocab_size()}: "
            "expected the files of one training"
        )
    weights = load_weights(folder / "model.safetensors", config)
    check_parts(folder, TEXT_PARTS)  # last, because the other errors say more
    network, hash_text = build_network(weights, config), make_hasher(find_longest(tokenizer))
    return Classifier(cleaning, make_text_tokenizer(tokenizer), hash_text, network, class_names)


def _check_numbers(probabilities: np.ndarray) -> np.ndarray:
    if np.isnan(probabilities).any():
        raise InputError("the model's weights give no probabilities: expected those of a whole training")
    return probabilities
