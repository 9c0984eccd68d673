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
    hash_word = lru_cache(KEPT_WORDS)(lambda word: _hash({f" {word} ", *_list_parts(word)}))

    def hash_text(text: str) -> np.ndarray:
        words = text[: CHARACTERS * max_tokens].split()
        return np.unique(np.concatenate([_hash(_list_pairs(words)), *map(hash_word, words)]))

    return hash_text


def make_hashers(max_tokens: int) -> tuple[Callable[[str], np.ndarray], Callable[[str], np.ndarray]]:
    """Return such a function for words and their pairs, and one for the characters inside words."""
    hash_word = lru_cache(KEPT_WORDS)(lambda word: _hash(_list_parts(word)))

    def split(text: str) -> list[str]:
        return text[: CHARACTERS * max_tokens].split()

    def hash_words(text: str) -> np.ndarray:
        words = split(text)
        return np.unique(_hash({*(f" {word} " for word in words), *_list_pairs(words)}))

    def hash_parts(text: str) -> np.ndarray:
        return np.unique(np.concatenate([_hash(set()), *map(hash_word, split(text))]))

    return hash_words, hash_parts


def _list_pairs(words: list[str]) -> set[str]:
    return {f"{first} {second}" for first, second in pairwise(words)}


def _list_parts(word: str) -> set[str]:
    padded = f" {word} "
    return {padded[start : start + n] for n in LENGTHS for start in range(len(padded) - n + 1)}


def _hash(ngrams: set[str]) -> np.ndarray:
    return np.array([crc32(ngram.encode()) for ngram in ngrams], dtype=np.uint32)
