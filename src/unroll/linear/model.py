"""A fitted linear classifier: texts to TF-IDF features to probabilities, and its files in models/linear/."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from safetensors.numpy import save

from unroll.base.errors import InputError
from unroll.base.files import read_json, replace_when_done, write_json
from unroll.models.files import WEIGHTS, read_tensors
from unroll.params.common import Count, Section, check_params
from unroll.text.ngrams import make_hashers
from unroll.text.tokens import flatten_ngrams

CONFIG = "config.json"
TEXTS = 512  # that are computed at once
Hasher = Callable[[str], np.ndarray]


class LinearConfig(Section):
    """What is needed beside the weights; max_tokens: as for `make_hashers`."""

    cell: Literal["linear"] = "linear"  # where a network names its own
    max_tokens: Count
    temperature: Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Vocabulary:
    """The n-grams of one kind. hashes: [features] uint32, ascending; idf: [features] float32."""

    hashes: np.ndarray
    idf: np.ndarray

    def weigh(self, ngrams: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Texts, each as its n-grams' hashes, to the idf of those that are known, scaled to length one.

        Returns:
            The rows of a sparse matrix: weights ([n-grams] float32), their features ([n-grams] int64), and where each
            text's begin and the last one's end ([texts + 1] int64).
        """
        hashes, offsets = flatten_ngrams(ngrams)
        places = np.searchsorted(self.hashes, hashes)
        is_known = self.hashes.take(places, mode="clip") == hashes
        columns = places[is_known]
        starts = np.concatenate([[0], np.cumsum(is_known)])[offsets]
        texts = np.repeat(np.arange(len(ngrams)), np.diff(starts))
        weights = self.idf[columns]
        norms = np.sqrt(np.bincount(texts, weights.astype(np.float64) ** 2, len(ngrams)))
        return (weights / norms[texts]).astype(np.float32), columns, starts


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier of words with their pairs and, unless there are too many, of the characters inside words.

    vocabularies: of each kind of n-grams; weight: [features of all kinds, classes] float32; bias: [classes] float32.
    """

    config: LinearConfig
    vocabularies: tuple[Vocabulary, ...]
    weight: np.ndarray
    bias: np.ndarray

    @property
    def parameters(self) -> int:
        """Number of coefficients and intercepts."""
        return self.weight.size + self.bias.size

    def predict(self, texts: list[str]) -> np.ndarray:
        """Return the classes' probabilities of cleaned texts, `[texts, classes]` float64.

        A text without a word has no prediction: its row is NaN.
        """
        hashers = make_hashers(self.config.max_tokens)
        starts = range(0, max(len(texts), 1), TEXTS)
        distances = np.concatenate([self._decide(texts[start : start + TEXTS], hashers) for start in starts])
        scaled = distances / self.config.temperature
        exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        probabilities[[not text.strip() for text in texts]] = np.nan
        return probabilities

    def _decide(self, texts: list[str], hashers: tuple[Hasher, ...]) -> np.ndarray:
        """Return how far texts are on each class's side, `[texts, classes]` float64."""
        distances = np.tile(self.bias.astype(np.float64), (len(texts), 1))
        first = 0
        for vocabulary, hash_text in zip(self.vocabularies, hashers, strict=False):
            weights, columns, starts = vocabulary.weigh([hash_text(text) for text in texts])
            has_any = np.diff(starts) > 0
            if has_any.any():
                votes = self.weight[first + columns] * weights[:, None]
                distances[has_any] += np.add.reduceat(votes, starts[:-1][has_any])
            first += len(vocabulary.hashes)
        return distances


def save_linear(model: LinearModel, folder: Path) -> None:
    """Write config.json and model.safetensors."""
    weights = {"weight": model.weight, "bias": model.bias}
    for number, vocabulary in enumerate(model.vocabularies):
        weights |= {f"hashes.{number}": vocabulary.hashes, f"idf.{number}": vocabulary.idf}
    folder.mkdir(parents=True, exist_ok=True)
    with replace_when_done(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(weights))  # save_file raises an error of its own if the disk is full
    write_json(folder / CONFIG, model.config.model_dump())


def load_linear(folder: Path, class_names: list[str]) -> LinearModel:
    """Read what `save_linear` writes.

    Raises:
        InputError: a file is missing, damaged, or not of so many classes.
    """
    classes = len(class_names)
    config = check_params(read_json(folder / CONFIG), LinearConfig, folder / CONFIG)
    path = folder / WEIGHTS
    weights = read_tensors(path)
    kinds = [number for number in range(2) if f"hashes.{number}" in weights]
    sizes = [weights[f"hashes.{number}"].size for number in kinds]
    shapes = {"weight": ((sum(sizes), classes), "float32"), "bias": ((classes,), "float32")}
    for number, size in zip(kinds, sizes, strict=True):
        shapes |= {f"hashes.{number}": ((size,), "uint32"), f"idf.{number}": ((size,), "float32")}
    found = {name: (array.shape, str(array.dtype)) for name, array in weights.items()}
    if found != shapes or not sizes or not all(sizes):
        raise InputError(f"{path} is not a linear classifier of {classes} classes: expected the files of one baseline")
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise InputError(f"{path} gives no probabilities: expected finite weights, as a baseline writes them")
    vocabularies = tuple(Vocabulary(weights[f"hashes.{number}"], weights[f"idf.{number}"]) for number in kinds)
    return LinearModel(config, vocabularies, weights["weight"], weights["bias"])
