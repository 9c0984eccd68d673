"""A trained model as files: models/config.json, labels.json, model.safetensors, and checksums.json of all of them."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file

from unroll.base.errors import InputError, explain_missing
from unroll.base.files import compute_hash, read_json, write_json
from unroll.params.common import check_params
from unroll.params.texts import ArchitectureParams

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


class ModelConfig(ArchitectureParams):
    """What is needed to rebuild the model, and to turn its logits into probabilities: softmax(logits / temperature)."""

    vocabulary_size: Annotated[int, Field(ge=2, le=10_000_000)]  # at least padding and the unknown token
    classes: Annotated[int, Field(ge=1, le=1_000_000)]
    temperature: Annotated[float, Field(gt=0)] = 1.0

    @property
    def outputs(self) -> int:
        """How many numbers the head returns: one for each class, or one logit for the second of two."""
        return 1 if self.head == "logit" else self.classes


def load_config(path: Path) -> ModelConfig:
    """Read models/config.json.

    Raises:
        InputError: the file is missing or is not what training writes.
    """
    return check_params(read_json(path), ModelConfig, path)


def load_labels(path: Path) -> list[str]:
    """Read models/labels.json: the classes' names.

    Raises:
        InputError: the file is missing or is not what training writes.
    """
    names = read_json(path)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{path} is not what training writes: expected a list of names")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} has {twice!r} more than once: expected distinct names")
    return names


def load_weights(path: Path, config: ModelConfig) -> dict[str, np.ndarray]:
    """Read models/model.safetensors: the state dictionary of a TextClassifier, float32.

    Raises:
        InputError: the file is missing or damaged, or its weights are not of a model of this configuration.
    """
    weights = read_tensors(path)
    found = {name: (weight.shape, weight.dtype) for name, weight in weights.items()}
    if found != {name: (shape, np.dtype(np.float32)) for name, shape in list_shapes(config).items()}:
        raise InputError(f"{path} does not fit config.json beside it: expected the files of one training")
    return weights


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read a file of safetensors, whatever is in it.

    Raises:
        InputError: the file is missing or damaged.
    """
    if not path.is_file():
        raise explain_missing(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} holds no weights: {error}") from None


def list_suffixes(config: ModelConfig, layer: int) -> list[str]:
    """Return the suffixes of the names of a recurrent layer's weights, one for each direction."""
    return [f"l{layer}", f"l{layer}_reverse"] if config.bidirectional else [f"l{layer}"]


def list_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of each weight of a TextClassifier."""
    rows, features = GATES[config.cell] * config.hidden_size, config.embedding_size
    output = config.hidden_size * (2 if config.bidirectional else 1)
    shapes = {
        "embedding.weight": (config.vocabulary_size, features),
        "head.weight": (config.outputs, output),
        "head.bias": (config.outputs,),
    }
    if config.ngrams:
        shapes |= {"ngrams.weight": (config.ngrams, config.outputs), "ngrams.idf": (config.ngrams,)}
    if config.pooling == "attention":
        shapes["pooling.score.weight"] = (1, output)
    for layer in range(config.layers):
        for suffix in list_suffixes(config, layer):
            shapes[f"encoder.layers.weight_ih_{suffix}"] = (rows, output if layer else features)
            shapes[f"encoder.layers.weight_hh_{suffix}"] = (rows, config.hidden_size)
            shapes[f"encoder.layers.bias_ih_{suffix}"] = shapes[f"encoder.layers.bias_hh_{suffix}"] = (rows,)
    return shapes


CHECKSUMS, WEIGHTS = "checksums.json", "model.safetensors"
TEXT_PARTS = ("cleaning.json", "config.json", "labels.json", "tokenizer.json", WEIGHTS)
LINEAR_PARTS = ("cleaning.json", "config.json", "labels.json", WEIGHTS)
SEQUENCE_PARTS = ("config.json", WEIGHTS)


def write_checksums(folder: Path, parts: Collection[str]) -> None:
    """List the files that a training has just used and written."""
    write_json(folder / CHECKSUMS, {name: compute_hash(folder / name, "sha256") for name in parts})


def check_parts(folder: Path, parts: Collection[str]) -> None:
    """Compare files with the list that their training wrote.

    Raises:
        InputError: a file is missing or differs from the list.
    """
    listed = read_json(folder / CHECKSUMS)
    if not isinstance(listed, dict) or not listed.keys() >= set(parts):
        raise InputError(f"{folder / CHECKSUMS} is not what training writes: expected checksums of {', '.join(parts)}")
    for name in parts:
        path = folder / name
        if not path.is_file():
            raise explain_missing(path)
        if compute_hash(path, "sha256") != listed[name]:
            wanted = f"that {CHECKSUMS} lists" if name == WEIGHTS else f"that {folder / WEIGHTS} was trained with"
            raise InputError(
                f"{path} is not the one {wanted}: expected the files of one training (`unroll check` looks for "
                "damage in DVC's cache)"
            )
