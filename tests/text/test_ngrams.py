"""N-grams: those of the linear baseline, hashed the same everywhere, and bounded."""

from zlib import crc32

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unroll.evaluation.baseline import make_features
from unroll.text.ngrams import CHARACTERS, make_hasher


def hash_all(ngrams: set[str]) -> list[int]:
    return sorted({crc32(ngram.encode()) for ngram in ngrams})


@given(st.lists(st.text(st.characters(categories=("Ll", "Lo", "Nd")), min_size=1, max_size=9), max_size=9))
def test_they_are_those_of_the_baseline(words: list[str]) -> None:
    text = " ".join(words)
    features = dict(make_features().transformer_list)
    expected = set(features["characters"].build_analyzer()(text))
    found = set(features["words"].build_analyzer()(text))
    expected |= {ngram if " " in ngram else f" {ngram} " for ngram in found}  # a word has its borders
    assert make_hasher(64)(text).tolist() == hash_all(expected)


def test_hashes_do_not_change() -> None:
    """Trained weights stand in the buckets of these numbers."""
    assert make_hasher(64)("to be").tolist() == hash_all(
        {" t", "to", "o ", " to", "to ", " to ", " b", "be", "e ", " be", "be ", " be ", "to be"}
    )
    assert crc32(b"to be") == 4_218_129_493


def test_a_word_never_seen_shares_ngrams_with_seen_ones() -> None:
    hash_text = make_hasher(64)
    shared = np.intersect1d(hash_text("banker"), hash_text("bankers"))
    assert len(shared) > 10
    assert len(np.intersect1d(hash_text("banker"), hash_text("goal"))) == 0


def test_a_long_text_is_cut() -> None:
    limit = CHARACTERS * 5
    hash_text = make_hasher(5)
    assert hash_text("x" * limit + " tail").tolist() == hash_text("x" * limit).tolist()
    assert hash_text("").tolist() == []
    assert hash_text("a").dtype == hash_text("").dtype == np.uint32
