"""N-grams: which they are, hashed the same everywhere, and bounded."""

from zlib import crc32

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from unroll.text.ngrams import CHARACTERS, make_hasher, make_hashers


def hash_all(ngrams: set[str]) -> list[int]:
    return sorted({crc32(ngram.encode()) for ngram in ngrams})


@given(st.lists(st.text(st.characters(categories=("Ll", "Lo", "Nd")), min_size=1, max_size=9), max_size=9))
def test_they_are_words_pairs_and_parts_of_words(words: list[str]) -> None:
    text = " ".join(words)
    parts = set(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()(text))
    found = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), lowercase=False).build_analyzer()(text)
    whole = {ngram if " " in ngram else f" {ngram} " for ngram in found}  # a word has its borders
    assert [hash_text(text).tolist() for hash_text in make_hashers(64)] == [hash_all(whole), hash_all(parts)]
    assert make_hasher(64)(text).tolist() == hash_all(whole | parts)


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
