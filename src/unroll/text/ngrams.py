"""N-grams of texts, as hashes: what connects directly to a classifier's output (models/ngrams.py, linear/)."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import numpy as np

LENGTHS = range(2, 6)  # characters inside a word, whose start and end count as spaces
CHARACTERS = 16  # of a text that are read, for each token that the network reads at most
KEPT_WORDS = 100_000  # whose hashes are remembered


def make_hasher(max_tokens: int) -> Callable[[str], np.ndarray]:
    """Return a function from a cleaned text to the hashes of its n-grams: distinct, ascending, `[n-grams]` uint32.

    These are its words, its pairs of neighbouring words, and the characters inside each word, two to five at a time.
    Hashing needs no vocabulary, so a word that training never saw shares n-grams with those that it saw. max_tokens: a
    text of more than `CHARACTERS` times so many characters is cut.
    """
    hash_words, hash_parts = make_hashers(max_tokens)
    return lambda text: np.unique(np.concatenate([hash_words(text), hash_parts(text)]))


def make_hashers(max_tokens: int) -> tuple[Callable[[str], np.ndarray], Callable[[str], np.ndarray]]:
    """Return such a function for words and their pairs, and one for the characters inside words."""
    hash_word_parts = lru_cache(KEPT_WORDS)(_hash_parts)

    def split(text: str) -> list[str]:
        return text[: CHARACTERS * max_tokens].split()

    def hash_words(text: str) -> np.ndarray:
        words = split(text)
        ngrams = [f" {word} " for word in words] + [f"{first} {second}" for first, second in pairwise(words)]
        return np.unique(np.array([crc32(ngram.encode()) for ngram in ngrams], dtype=np.uint32))

    def hash_parts(text: str) -> np.ndarray:
        return np.unique(np.concatenate([np.zeros(0, dtype=np.uint32), *map(hash_word_parts, split(text))]))

    return hash_words, hash_parts


def _hash_parts(word: str) -> np.ndarray:
    padded = f" {word} "
    parts = {padded[start : start + n] for n in LENGTHS for start in range(len(padded) - n + 1)}
    return np.array([crc32(part.encode()) for part in parts], dtype=np.uint32)
