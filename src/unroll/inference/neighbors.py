"""Nearest words by the cosine of their vectors, of a trained model or of a file."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

import numpy as np
from more_itertools import unique_everseen

from unroll.base.errors import InputError
from unroll.models.files import check_parts, load_config, load_weights
from unroll.text.tokens import UNKNOWN_ID
from unroll.text.vocabulary import load_tokenizer

# Blocks of words and their vectors, [block, size].
Blocks = Iterable[tuple[list[str], np.ndarray]]
SUGGESTIONS = 5


def find_neighbors(word: str, read_blocks: Callable[[], Blocks], top: int, origin: str) -> list[tuple[str, float]]:
    """Return the `top` words nearest to `word` with their similarity, the nearest first.

    The vectors are read twice, block by block, so they need not fit into memory; origin: their name in messages.

    Raises:
        InputError: the word has no vector, or its vector is zero.
    """
    vector = find_vector(word, read_blocks())
    if vector is None:
        close = ", ".join(map(repr, suggest_words(word, read_blocks())))
        hint = f"similar ones are {close}" if close else "nor is one of similar spelling"
        raise InputError(f"{word!r} is not among the words of {origin}: {hint}")
    if not vector.any():
        raise InputError(f"{word!r} has a vector of zeros in {origin}, which is near to nothing: expected another word")
    return rank_words(word, vector, read_blocks(), top)


def find_vector(word: str, blocks: Blocks) -> np.ndarray | None:
    """Return the first vector of a word, [size], or None."""
    return next((vectors[words.index(word)] for words, vectors in blocks if word in words), None)


def rank_words(word: str, vector: np.ndarray, blocks: Blocks, top: int) -> list[tuple[str, float]]:
    """Return the `top` words with the highest cosine to `vector`, the highest first; zero vectors are left out.

    `word` itself is left out. If a word has several vectors, the nearest counts.
    """
    unit = _normalize(vector[None])[0]
    best: list[tuple[str, float]] = []
    for words, vectors in blocks:
        similarities = (_normalize(vectors) @ unit).tolist()
        rows = zip(words, similarities, np.any(vectors, axis=1).tolist(), strict=True)
        pairs = [(other, similarity) for other, similarity, known in rows if known and other != word]
        ranking = sorted(best + pairs, key=lambda pair: -pair[1])
        best = list(islice(unique_everseen(ranking, key=lambda pair: pair[0]), top))
    return best


def suggest_words(word: str, blocks: Blocks) -> list[str]:
    """Return the words with the most similar spelling, ignoring case, the most similar first."""
    close: dict[str, str] = {}
    for words, _ in blocks:
        spellings = {other.lower(): other for other in reversed(words)} | close
        close = {match: spellings[match] for match in get_close_matches(word.lower(), spellings, SUGGESTIONS)}
    return list(close.values())


def load_model_vectors(folder: Path) -> tuple[list[str], np.ndarray]:
    """Read a trained model's tokens and vectors, [tokens, features], without padding and the unknown token.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
    """
    config = load_config(folder / "config.json")
    ids = load_tokenizer(folder / "tokenizer.json").get_vocab()
    if sorted(ids.values()) != list(range(config.vocabulary_size)):
        raise InputError(
            f"{folder}: config.json is of a model with {config.vocabulary_size} tokens, tokenizer.json has {len(ids)}: "
            "expected the files of one training"
        )
    vectors = load_weights(folder / "model.safetensors", config)["embedding.weight"]
    check_parts(folder, ("config.json", "tokenizer.json", "model.safetensors"))
    first = UNKNOWN_ID + 1  # the first real token
    return sorted(ids, key=ids.__getitem__)[first:], vectors[first:]


def _normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors, [rows, size], to length one; zero vectors stay zero. Computed in float64."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
