"""Small models and trainings for tests."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from unroll.base.devices import choose_device, explain_not_portable
from unroll.base.files import write_json
from unroll.inference.network import Network, build_network
from unroll.models.classifier import TextClassifier
from unroll.models.files import TEXT_PARTS, ModelConfig, list_shapes, write_checksums
from unroll.params.texts import TextTrainParams, TokenizeParams
from unroll.text.tokens import Tokens
from unroll.text.vocabulary import train_tokenizer

# Why a training with the default parameters may have other bytes here than in Git; empty if it may not.
NOT_PORTABLE = explain_not_portable(1, choose_device("auto"))
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
    "ngrams": 0,
    "classes": 2,
}


def make_config(**changes: object) -> ModelConfig:
    """Return the configuration of a small model, with the given values changed."""
    return ModelConfig(**(SMALL | changes))


def write_models(folder: Path) -> Path:
    """Make a models/ folder of an untrained model with two classes."""
    folder.mkdir()
    params = TokenizeParams(level="word", vocabulary_size=50, min_count=1, max_tokens=5)
    tokenizer = train_tokenizer([["shares fall", "team wins cup", "king"]], params)
    config = make_config(vocabulary_size=tokenizer.get_vocab_size())
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in list_shapes(config).items()}
    cleaning = {
        "html": "decode",
        "lowercase": True,
        "brackets": "keep",
        "numbers": "keep",
        "punctuation": "drop",
        "stemming": "none",
    }
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "config.json", config.model_dump())
    write_json(folder / "labels.json", ["Business", "Sports"])
    write_json(folder / "cleaning.json", cleaning | {"stop_words": ["the"]})
    write_checksums(folder, TEXT_PARTS)
    return folder


def make_models(**changes: object) -> tuple[TextClassifier, Network]:
    """Return a small classifier of random weights twice, with the given values changed: for PyTorch and for NumPy."""
    torch.manual_seed(0)
    config = make_config(**({"classes": 4} | changes))
    model = TextClassifier(config)
    with torch.no_grad():
        model.embedding.weight.mul_(10)  # larger differences between texts make a sharper test
        if model.ngrams is not None:
            model.ngrams.weight.normal_()
            model.ngrams.idf.uniform_(0, 3)[::3] = 0  # some occur in no training text
    return model, build_network({name: weight.numpy() for name, weight in model.state_dict().items()}, config)


def make_texts(lengths: list[int]) -> list[list[int]]:
    """Return random token ids, a list for each length."""
    random = np.random.default_rng(0)
    return [random.integers(1, 50, size=length).tolist() for length in lengths]


def make_params(**changes: object) -> TextTrainParams:
    """Return the parameters of a small training, with the given values changed."""
    values = {
        "seed": 1,
        "epochs": 10,
        "batch_size": 16,
        "learning_rate": 0.01,
        "embedding_rate": 1.0,
        "ngram_rate": 1.0,
        "patience": 100,
        "lr_patience": 100,
        "lr_factor": 0.5,
        "clip_norm": 1.0,
        "class_weights": False,
        "word_dropout": 0.0,
        "weight_average": 0.0,
        "log_gradients": False,
        "threads": 1,
        "processes": 1,
        "portable": False,
        "device": "cpu",
        "precision": "float32",
    }
    return TextTrainParams(**(values | changes))


def make_tokens(rows: int, seed: int, noise: float = 0.0) -> Tokens:
    """Texts of random words, which are their n-grams, too; the class is whether word 2 or 3 is among them.

    noise: share of wrong labels.
    """
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(rows):
        label = int(random.integers(2))
        text = random.integers(4, 40, size=random.integers(3, 8))
        text[random.integers(len(text))] = 2 + label
        texts.append(text.tolist())
        labels.append(label if random.random() >= noise else 1 - label)
    return Tokens.from_lists(texts, labels, [np.unique(text).astype(np.uint32) for text in texts])
