"""Whole columns are encoded exactly as single texts are."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from unroll.params.texts import TokenizeParams
from unroll.text.clean import Cleaning
from unroll.text.clean_columns import clean_texts
from unroll.text.encode_columns import make_column_tokenizer
from unroll.text.vocabulary import encode_texts, load_tokenizer, train_tokenizer

CLEANING = Cleaning(
    html="decode",
    lowercase=True,
    brackets="keep",
    numbers="keep",
    punctuation="keep",
    stop_words=frozenset(),
    stemming="none",
)
TEXTS = ["shares fall in tokyo", "shares rise", "été , ß !", "shares rise again in oslo"]
KNOWN_AND_UNKNOWN = st.lists(st.sampled_from([*" ".join(TEXTS).split(), "bonds", "<pad", "unk>"]) | st.text())


def make_tokenizer(texts: list[str], **changes: object) -> Tokenizer:
    params = {"level": "word", "vocabulary_size": 100, "min_count": 1, "max_tokens": 5} | changes
    return train_tokenizer([texts], TokenizeParams(**params))


def assert_same(tokenizer: Tokenizer, texts: pa.StringArray) -> None:
    expected = encode_texts(tokenizer, texts.to_pylist())
    ids, offsets, cut = make_column_tokenizer(tokenizer).encode(texts)
    longer = Tokenizer.from_str(tokenizer.to_str())
    longer.no_truncation()
    lengths = [len(text) for text in encode_texts(longer, texts.to_pylist())]
    assert cut.dtype == bool
    assert cut.tolist() == [length > tokenizer.truncation["max_length"] for length in lengths]
    assert (ids.dtype, offsets.dtype) == (np.int32, np.int64)
    assert ids.tolist() == [number for text in expected for number in text]
    assert np.diff(offsets).tolist() == [len(text) for text in expected]
    assert (offsets[0], offsets[-1]) == (0, len(ids))


@given(st.lists(KNOWN_AND_UNKNOWN.map(" ".join)), st.sampled_from(["word", "char", "bpe"]), st.sampled_from([3, 100]))
def test_a_column_is_encoded_as_its_texts_are(texts: list[str], level: str, max_tokens: int) -> None:
    cleaned = clean_texts(pa.array(texts, pa.string()), CLEANING)
    assert_same(make_tokenizer(TEXTS, level=level, max_tokens=max_tokens), cleaned)


def test_unknown_words_empty_texts_and_long_ones() -> None:
    tokenizer = make_tokenizer(TEXTS, max_tokens=3)
    ids, offsets, cut = make_column_tokenizer(tokenizer).encode(pa.array(["", "bonds rise", "", "in in in in", ""]))
    assert cut.tolist() == [False, False, False, True, False]
    assert ids.tolist() == [1, 4, 3, 3, 3]
    assert offsets.tolist() == [0, 0, 2, 2, 5, 5]


@pytest.mark.parametrize("vocabulary_size", [1000, 100_000])
def test_real_rows(ag_news: Path, vocabulary_size: int, tmp_path: Path) -> None:
    with ag_news.open(newline="", encoding="utf-8") as file:
        texts = clean_texts(pa.array([title for _, title, _ in csv.reader(file)]), CLEANING)
    tokenizer = make_tokenizer(texts[:25_000].to_pylist(), vocabulary_size=vocabulary_size, max_tokens=8)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert_same(load_tokenizer(tmp_path / "tokenizer.json"), texts)
