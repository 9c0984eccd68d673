"""Small models for tests."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from unroll.base.files import write_json
from unroll.models.files import TEXT_PARTS, ModelConfig, list_shapes, write_checksums
from unroll.params.texts import TokenizeParams
from unroll.text.vocabulary import train_tokenizer

SMALL = {
    "cell": "gru",
    "embedding_size": 8,
    "hidden_size": 12,
    "layers": 1,
    "bidirectional": True,
    "pooling": "max",
    "embedding_dropout": 0.0,
    "dropout": 0.0,
    "vocabulary_size": 50,
    "head": "softmax",
    "classes": 2,
}


def make_config(**changes: object) -> ModelConfig:
    """Return the configuration of a small model, with the given values changed."""
    return ModelConfig(**(SMALL | changes))


def write_models(folder: Path) -> Path:
    """Make a models/ folder of a model of two classes that has learned nothing."""
    folder.mkdir()
    params = TokenizeParams(level="word", vocabulary_size=50, min_count=1, max_tokens=5)
    tokenizer = train_tokenizer([["shares fall", "team wins cup", "king"]], params)
    config = make_config(vocabulary_size=tokenizer.get_vocab_size())
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in list_shapes(config).items()}
    cleaning = {"lowercase": True, "brackets": "keep", "numbers": "keep", "punctuation": "drop", "stemming": "none"}
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "config.json", config.model_dump())
    write_json(folder / "labels.json", ["Business", "Sports"])
    write_json(folder / "cleaning.json", cleaning | {"stop_words": ["the"]})
    write_checksums(folder, TEXT_PARTS)
    return folder
