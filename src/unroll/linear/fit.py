"""Fits the linear classifier: a support vector machine on TF-IDF of n-grams, in seconds."""

from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.svm import LinearSVC

from unroll.evaluation.validation import compute_macro_f1, fit_temperature
from unroll.linear.model import Hasher, LinearConfig, LinearModel, Vocabulary
from unroll.text.ngrams import CHARACTERS, make_hashers

CANDIDATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # values of C, the inverse strength of regularization
ROWS = 40_000  # at most, on which candidates are compared; the best is then fitted to all rows
# Each class has its own machine, which reads all rows. Above this many readings (rows times classes; AG News has at
# most 480,000), or of longer texts than these together, the characters inside words, nine tenths of all features, are
# left out, and so is every other C.
READINGS = 500_000
LENGTH = 30_000_000  # characters
COEFFICIENTS = 40_000_000  # at most, of each kind of n-grams (160 MB); the rarest are left out


@dataclass(frozen=True)
class Fit:
    """A fitted linear classifier, with what the validation split chose for it."""

    model: LinearModel
    c: float
    val_macro_f1: float


def fit_linear(
    texts: list[str], labels: np.ndarray, val_texts: list[str], val_labels: np.ndarray, max_tokens: int
) -> Fit:
    """Fit TF-IDF of words, pairs of words and characters inside words, and a linear support vector machine on it.

    texts: cleaned, as the networks read them; labels: [rows] int64; max_tokens: how many tokens of a text the networks
    read. Everything is learned from the training rows. The validation rows choose C, by macro-F1, and the temperature
    that turns distances into probabilities. `ROWS`, `READINGS`, `LENGTH` and `COEFFICIENTS` bound time and memory.
    """
    classes = int(labels.max()) + 1
    read = sum(min(len(text), CHARACTERS * max_tokens) for text in texts)
    is_large = len(texts) * classes > READINGS or read > LENGTH
    hashers = make_hashers(max_tokens)[: 1 if is_large else 2]
    vocabularies = tuple(learn_vocabulary(texts, hash_text, COEFFICIENTS // classes) for hash_text in hashers)
    rows, val_rows = (make_rows(split, vocabularies, hashers) for split in (texts, val_texts))

    def fit(c: float, every: int) -> tuple[float, float, np.ndarray, np.ndarray, np.ndarray]:
        chosen = choose_rows(labels, every)
        weight, bias = fit_machines(rows[chosen], labels[chosen], classes, c)
        distances = val_rows @ weight + bias
        return compute_macro_f1(val_labels, distances.argmax(axis=1), classes), c, distances, weight, bias

    # One at a time, since many classes leave no memory for all; of equal ones, the first is kept.
    every = -(-len(texts) // ROWS)
    candidates = CANDIDATES[1::2] if is_large else CANDIDATES
    score, c, distances, weight, bias = max((fit(c, every) for c in candidates), key=itemgetter(0))
    if every > 1:
        score, c, distances, weight, bias = fit(c, 1)
    config = LinearConfig(max_tokens=max_tokens, temperature=fit_temperature(distances, val_labels))
    return Fit(LinearModel(config, vocabularies, weight, bias), c, score)


def choose_rows(labels: np.ndarray, every: int) -> np.ndarray:
    """Return the numbers of every second row, or every third and so on, and of each class at least the first."""
    _, first = np.unique(labels, return_index=True)
    chosen = np.arange(0, len(labels), every)
    return np.union1d(chosen, first[np.isin(labels[first], labels[chosen], invert=True)])


def learn_vocabulary(texts: list[str], hash_text: Hasher, most: int) -> Vocabulary:
    """Return the n-grams of training texts, the most frequent ones, with log((1 + texts) / (1 + texts with it)) + 1."""
    hashes, counts = np.unique(np.concatenate([hash_text(text) for text in texts]), return_counts=True)
    if len(hashes) > most:
        kept = np.sort(np.argsort(-counts, kind="stable")[:most])
        hashes, counts = hashes[kept], counts[kept]
    return Vocabulary(hashes, (np.log((1 + len(texts)) / (1 + counts)) + 1).astype(np.float32))


def make_rows(texts: list[str], vocabularies: tuple[Vocabulary, ...], hashers: tuple[Hasher, ...]) -> csr_matrix:
    """Return the features of texts, `[texts, features of all kinds]` float32."""
    kinds = [
        csr_matrix(vocabulary.weigh([hash_text(text) for text in texts]), (len(texts), len(vocabulary.hashes)))
        for vocabulary, hash_text in zip(vocabularies, hashers, strict=True)
    ]
    return hstack(kinds, format="csr")


def fit_machines(rows: csr_matrix, labels: np.ndarray, classes: int, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit one machine for each class against the others; return weight, `[features, classes]`, and bias, float32."""
    fitted = LinearSVC(C=c, random_state=0).fit(rows, labels)
    weight, bias = fitted.coef_.T, fitted.intercept_
    if classes == 2:  # scikit-learn then fits the second class only
        weight, bias = np.concatenate([-weight, weight], axis=1), np.concatenate([-bias, bias])
    return np.ascontiguousarray(weight, dtype=np.float32), bias.astype(np.float32)
