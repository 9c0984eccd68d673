"""Near-duplicates: for each text, one of other texts that is nearly the same, found by MinHash.

The similarity of two texts is that of their sets of five characters in a row (Jaccard: common ones to all). MinHash
(Broder 1997) estimates it by the share of equal minima of hashes; only texts that agree in all minima of a band are
compared (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4).
"""

from dataclasses import dataclass

import numpy as np

SIZE = 5  # characters
BANDS, IN_A_BAND = 16, 4  # of 64 minima: two texts as similar as 0.7 agree in a band with probability 0.988
CANDIDATES = 4  # that are compared of each band, so that many texts made alike cost no more
THRESHOLD = 0.7
CHUNK = 2**20  # characters that are hashed at once
SEED = 1


@dataclass(frozen=True)
class Sketch:
    """Texts, none of them empty, and the minima of their hashes: `[texts, BANDS * IN_A_BAND]` uint32."""

    texts: list[str]
    minima: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Texts that have a near-duplicate: first, second: [pairs] int64, numbers of texts; similarity: [pairs] float64.

    A text is first in one pair at most.
    """

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray


def find_near(texts: Sketch, others: Sketch) -> Pairs:
    """Return for each text one of the others with a similarity of `THRESHOLD` or more: the nearest of those compared.

    Time and memory are proportional to the number of texts.
    """
    best = np.zeros(len(texts.texts))
    nearest = np.full(len(texts.texts), -1)
    for own, other in zip(_hash_bands(texts.minima), _hash_bands(others.minima), strict=True):
        order = np.argsort(other, kind="stable")
        start, end = (np.searchsorted(other[order], own, side) for side in ("left", "right"))
        for number in range(CANDIDATES):
            rows = np.flatnonzero(start + number < end)
            candidates = order[start[rows] + number]
            estimates = (texts.minima[rows] == others.minima[candidates]).mean(axis=1)
            is_better = estimates > best[rows]
            best[rows[is_better]] = estimates[is_better]
            nearest[rows[is_better]] = candidates[is_better]
    first = np.flatnonzero(nearest >= 0)
    similarity = np.array([compute_similarity(texts.texts[row], others.texts[nearest[row]]) for row in first])
    is_near = similarity >= THRESHOLD
    return Pairs(first[is_near], nearest[first[is_near]], similarity[is_near])


def compute_similarity(text: str, other: str) -> float:
    """Return how many of the sets of characters in a row are common to both texts, from 0 to 1."""
    one, two = list_shingles(text), list_shingles(other)
    return len(one & two) / len(one | two)


def list_shingles(text: str) -> set[str]:
    """Return what stands in each window of `SIZE` characters that begins in the text."""
    padded = text + "\0" * (SIZE - 1)
    return {padded[start : start + SIZE] for start in range(len(text))}


def sketch_texts(texts: list[str]) -> Sketch:
    """Hash the shingles of each text in so many ways; the time is proportional to the number of characters."""
    random = np.random.default_rng(SEED)
    factors = random.integers(2**63, size=BANDS * IN_A_BAND, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    lengths = np.array([len(text) for text in texts])
    minima = np.empty((len(texts), len(factors)), dtype=np.uint32)
    chunks = (np.cumsum(lengths) - lengths) // CHUNK
    for own in filter(len, np.split(np.arange(len(texts)), np.flatnonzero(np.diff(chunks)) + 1)):
        hashes = _hash_shingles([texts[row] for row in own], lengths[own])
        starts = np.cumsum(lengths[own]) - lengths[own]
        for number, factor in enumerate(factors):  # multiply-shift (Dietzfelbinger et al. 1997)
            minima[own, number] = np.minimum.reduceat((hashes * factor >> np.uint64(32)).astype(np.uint32), starts)
    return Sketch(texts, minima)


def _hash_shingles(texts: list[str], lengths: np.ndarray) -> np.ndarray:
    """Return a hash of each shingle of `list_shingles`, in their order, all texts one after the other, uint64."""
    padded = "".join(text + "\0" * (SIZE - 1) for text in texts)
    codes = np.frombuffer(padded.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    hashes = np.zeros(len(codes) - SIZE + 1, dtype=np.uint64)
    for offset in range(SIZE):
        hashes = _mix(hashes ^ codes[offset : offset + len(hashes)])
    sizes = np.stack([lengths, np.full(len(lengths), SIZE - 1)], axis=1).ravel()
    begins_in_text = np.repeat(np.tile([True, False], len(lengths)), sizes)
    return hashes[begins_in_text[: len(hashes)]]


def _hash_bands(minima: np.ndarray) -> np.ndarray:
    """Return a hash of each band's minima, `[BANDS, texts]` uint64."""
    hashes = np.zeros((BANDS, len(minima)), dtype=np.uint64)
    for number in range(IN_A_BAND):
        hashes = _mix(hashes ^ minima.T[number::IN_A_BAND].astype(np.uint64))
    return hashes


def _mix(values: np.ndarray) -> np.ndarray:
    """Return values whose bits all depend on all bits; uint64. It is a step of SplitMix64 (Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)
