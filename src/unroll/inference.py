"""models/ to predictions, by the same cleaning, vocabulary and model code that training used."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from unroll.errors import InputError
from unroll.files import read_json
from unroll.model import ModelConfig, SequenceClassifier, compute_logits
from unroll.text import Cleaning, clean_text
from unroll.tokens import Tokens
from unroll.vocabulary import encode_texts, load_tokenizer

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
BATCH_ROWS = 1024


@dataclass(frozen=True)
class Classifier:
    """Everything that models/ holds."""

    cleaning: Cleaning
    tokenizer: Tokenizer
    model: SequenceClassifier
    class_names: list[str]

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities, `[texts, classes]` float32.

        A text of which cleaning leaves nothing has no prediction: its row is NaN.
        """
        ids = encode_texts(self.tokenizer, [clean_text(text, self.cleaning) for text in texts])
        rows = [row for row, text in enumerate(ids) if text]
        probabilities = np.full((len(texts), len(self.class_names)), np.nan, dtype=np.float32)
        if rows:
            tokens = Tokens.from_lists([ids[row] for row in rows], [0] * len(rows))
            probabilities[rows] = compute_probabilities(self.model, tokens, BATCH_ROWS)
        return probabilities

    def tabulate(self, texts: list[str]) -> "pd.DataFrame":
        """Return a table of the columns `prediction` and `probability_CLASS`, one row for each text.

        The row of a text that has no prediction is empty.
        """
        import pandas as pd  # imported here: predicting one text needs no tables

        probabilities = self.predict(texts)
        table = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in self.class_names])
        found = ~np.isnan(probabilities).any(axis=1)
        predictions = np.full(len(texts), "", dtype=object)
        predictions[found] = np.array(self.class_names, dtype=object)[probabilities[found].argmax(axis=1)]
        table.insert(0, "prediction", predictions)
        return table


def compute_probabilities(model: SequenceClassifier, tokens: Tokens, batch_size: int) -> np.ndarray:
    """Return the classes' probabilities for each text of a split, `[rows, classes]` float32."""
    return torch.softmax(compute_logits(model, tokens, batch_size), dim=1).numpy()


def load_classifier(folder: Path = Path("models")) -> Classifier:
    """Read models/ and put its parts together.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
    """
    cleaning = _validate(folder / "cleaning.json", lambda value: Cleaning(**value))
    config = _validate(folder / "config.json", lambda value: ModelConfig(**value))
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    class_names = read_json(folder / "labels.json")
    if len(class_names) != config.classes or tokenizer.get_vocab_size() != config.vocabulary_size:
        raise InputError(
            f"{folder}: config.json is of a model with {config.classes} classes and {config.vocabulary_size} tokens, "
            f"labels.json and tokenizer.json have {len(class_names)} and {tokenizer.get_vocab_size()}: "
            "expected the files of one training"
        )
    return Classifier(cleaning, tokenizer, _load_model(folder / "model.safetensors", config), class_names)


def _load_model(path: Path, config: ModelConfig) -> SequenceClassifier:
    if not path.is_file():
        raise InputError(f"{path} is missing: `dvc repro` makes it, `dvc pull` fetches it")
    with torch.device("meta"):  # no time spent on random weights that are replaced at once
        model = SequenceClassifier(config)
    try:
        model.load_state_dict(load_file(path), assign=True)
    except SafetensorError as error:
        raise InputError(f"{path} holds no weights: {error}") from None
    except RuntimeError:
        raise InputError(f"{path} does not fit config.json beside it: expected the files of one training") from None
    return model.eval()


def _validate(path: Path, build: Callable[[dict], T]) -> T:
    try:
        return build(read_json(path))
    except (ValidationError, TypeError) as error:
        raise InputError(f"{path} is not what training writes: {error}") from None
