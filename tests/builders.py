"""Small models for tests."""

from unroll.checkpoint import ModelConfig

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
