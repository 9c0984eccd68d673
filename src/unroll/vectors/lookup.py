"""Looks up a vocabulary in a file of word vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unroll.vectors.text_files import UNPACKED_BYTES, iterate_vectors


@dataclass(frozen=True)
class FileVectors:
    """The vectors that a file has for a list of words, and how all its vectors are distributed.

    vectors: [words, size] float32, zeros for a word that the file does not have; found: [words] bool; mean, std: [size]
    float64, over all rows of the file.
    """

    vectors: np.ndarray
    found: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def read_word_vectors(path: Path, words: Sequence[str], size: int, unpacked_bytes: int = UNPACKED_BYTES) -> FileVectors:
    """Look up distinct words in a file of vectors; if a word has several rows, the first counts.

    Memory grows with `words`, not with the file.

    Raises:
        InputError: see `iterate_vectors`.
    """
    missing = {word: row for row, word in enumerate(words)}
    vectors, found = np.zeros((len(words), size), dtype=np.float32), np.zeros(len(words), dtype=bool)
    rows, mean, squares = 0, np.zeros(size), np.zeros(size)
    for block_words, block in iterate_vectors(path, size, unpacked_bytes):
        rows, mean, squares = _add_moments(rows, mean, squares, block.astype(np.float64))
        for index, word in enumerate(block_words):
            row = missing.pop(word, None)
            if row is not None:
                vectors[row], found[row] = block[index], True
    return FileVectors(vectors, found, mean, np.sqrt(squares / rows))


def fill_missing(vectors: FileVectors, seed: int) -> np.ndarray:
    """Return the vectors, [words, size] float32, with random ones for the words that the file does not have.

    They are drawn from normal distributions with the mean and standard deviation of the file's own vectors.
    """
    filled = vectors.vectors.copy()
    shape = (np.count_nonzero(~vectors.found), filled.shape[1])
    filled[~vectors.found] = np.random.default_rng(seed).normal(vectors.mean, vectors.std, shape)
    return filled


def _add_moments(
    rows: int, mean: np.ndarray, squares: np.ndarray, block: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """Add a block to the mean and the sum of squared differences to it, by Chan, Golub and LeVeque (1979).

    Unlike sums of values and squares, this loses no digits if the mean is far from zero.
    """
    total = rows + len(block)
    difference = block.mean(axis=0) - mean
    squares = squares + block.var(axis=0) * len(block) + difference**2 * (rows * len(block) / total)
    return total, mean + difference * (len(block) / total), squares
