"""From models/ to predictions: texts to probabilities, with the cleaning and the vocabulary of the training.

It needs neither PyTorch nor the training code, so a prediction starts at once.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from unroll.base.errors import InputError
from unroll.base.files import read_json
from unroll.inference.forward import predict_all, predict_one
from unroll.inference.network import Network, build_network
from unroll.linear.model import load_linear
from unroll.models.files import (
    CHECKSUMS,
    LINEAR_PARTS,
    TEXT_PARTS,
    check_parts,
    load_config,
    load_labels,
    load_weights,
)
from unroll.params.common import check_params
from unroll.text.clean import Cleaning, clean_text
from unroll.text.ngrams import make_hasher
from unroll.text.tokens import Tokens
from unroll.text.vocabulary import find_longest, load_tokenizer, make_text_tokenizer

if TYPE_CHECKING:
    import pandas as pd


class TextModel(Protocol):
    """What predicts: a network or a linear classifier."""

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities of cleaned texts, `[texts, classes]`; NaN for a text without a token."""


@dataclass(frozen=True)
class TextNetwork:
    """A network, with functions from a cleaned text to its token ids and to its n-grams' hashes."""

    encode: Callable[[str], list[int]]
    hash_text: Callable[[str], np.ndarray]
    network: Network

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities of cleaned texts, `[texts, classes]` float32; NaN for one without a token.

        Raises:
            InputError: the weights are infinite or NaN.
        """
        ids = [self.encode(text) for text in texts]
        ngrams = [self.hash_text(text) for text in texts] if self.network.ngrams else None
        if len(ids) == 1 and ids[0]:  # batching would take a tenth of the time
            return _check_numbers(predict_one(self.network, ids[0], ngrams[0] if ngrams else None))
        probabilities = np.full((len(texts), self.network.config.classes), np.nan, dtype=np.float32)
        rows = [row for row, text in enumerate(ids) if text]
        if rows:
            found = [ngrams[row] for row in rows] if ngrams else None
            tokens = Tokens.from_lists([ids[row] for row in rows], [0] * len(rows), found)
            probabilities[rows] = _check_numbers(predict_all(self.network, tokens))
        return probabilities


@dataclass(frozen=True)
class Classifier:
    """Everything in models/, or in models/linear/."""

    cleaning: Cleaning
    model: TextModel
    class_names: list[str]

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities, `[texts, classes]`.

        A text that cleaning leaves empty has no prediction: its row is NaN.

        Raises:
            InputError: the weights are infinite or NaN.
        """
        return self.model.predict([clean_text(text, self.cleaning) for text in texts])

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
    """Read models/ or models/linear/ and put its parts together.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
    """
    cleaning = check_params(read_json(folder / "cleaning.json"), Cleaning, folder / "cleaning.json")
    values = read_json(folder / "config.json")
    is_linear = isinstance(values, dict) and values.get("cell") == "linear"
    load, parts = (load_linear, LINEAR_PARTS) if is_linear else (load_network, TEXT_PARTS)
    class_names = load_labels(folder / "labels.json")
    model = load(folder, class_names)
    check_parts(folder, parts)  # last, because the other errors say more
    return Classifier(cleaning, model, class_names)


def load_copy(folder: Path, copy: Path) -> Classifier:
    """Copy the files into the folder `copy`, and load them from there.

    So whatever happens to `folder` meanwhile, all that is used are the files that one checksums.json lists.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together, or give no probabilities.
    """
    for part in (CHECKSUMS, *TEXT_PARTS):  # a linear classifier has no tokenizer
        if (folder / part).is_file():
            shutil.copyfile(folder / part, copy / part)
    try:
        classifier = load_classifier(copy)
        classifier.predict(["a"])  # weights that are no numbers show here
        return classifier
    except InputError as error:
        raise InputError(str(error).replace(str(copy), str(folder))) from None


def load_network(folder: Path, class_names: list[str]) -> TextNetwork:
    """Read a network's files, without comparing their checksums; raise InputError as `load_classifier` does."""
    config = load_config(folder / "config.json")
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    if len(class_names) != config.classes or tokenizer.get_vocab_size() != config.vocabulary_size:
        raise InputError(
            f"{folder}: config.json is of a model with {config.classes} classes and {config.vocabulary_size} tokens, "
            f"labels.json and tokenizer.json have {len(class_names)} and {tokenizer.get_vocab_size()}: "
            "expected the files of one training"
        )
    network = build_network(load_weights(folder / "model.safetensors", config), config)
    return TextNetwork(make_text_tokenizer(tokenizer), make_hasher(find_longest(tokenizer)), network)


def _check_numbers(probabilities: np.ndarray) -> np.ndarray:
    if np.isnan(probabilities).any():
        raise InputError("the model's weights give no probabilities: expected those of a whole training")
    return probabilities
