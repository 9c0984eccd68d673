"""N-grams of texts, as hashes: what connects directly to a classifier's output (models/ngrams.py)."""

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

    These are its words, its pairs of neighbouring words, and the characters inside each word, two to five at a time:
    what the linear baseline reads, too. Hashing needs no vocabulary, so a word that training never saw shares n-grams
    with those that it saw. max_tokens: a text of more than `CHARACTERS` times so many characters is cut.
    """
    hash_word = lru_cache(KEPT_WORDS)(_hash_word)

    def hash_text(text: str) -> np.ndarray:
        words = text[: CHARACTERS * max_tokens].split()
        if not words:
            return np.zeros(0, dtype=np.uint32)
        pairs = np.array([crc32(f"{first} {second}".encode()) for first, second in pairwise(words)], dtype=np.uint32)
        return np.unique(np.concatenate([pairs, *map(hash_word, words)]))

    return hash_text


def _hash_word(word: str) -> np.ndarray:
    padded = f" {word} "
    parts = {padded[start : start + n] for n in LENGTHS for start in range(max(len(padded) - n + 1, 1))}
    return np.array([crc32(part.encode()) for part in parts | {padded}], dtype=np.uint32)
