"""Words counted by parts: the vocabulary that the tokenizers library learns from the whole text."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.params.texts import TokenizeParams
from unroll.text.frequencies import count_tokens, find_most_frequent
from unroll.text.vocabulary import make_tokenizer, train_tokenizer

WORDS = st.sampled_from(["a", "b", "é", "東京", "shares", "share", "किताब", "ß", "😀", "z"])
TEXTS = st.lists(st.lists(WORDS, max_size=9).map(" ".join), min_size=1, max_size=12)


@pytest.mark.parametrize("level", ["word", "char"])
@given(texts=TEXTS, size=st.integers(1, 5), most=st.integers(3, 12), least=st.integers(1, 3))
def test_counted_by_parts_it_is_the_librarys_vocabulary(
    level: str, texts: list[str], size: int, most: int, least: int
) -> None:
    params = TokenizeParams(level=level, vocabulary_size=most, min_count=least, max_tokens=5)
    parts = [[pa.array(texts[first : first + size])] for first in range(0, len(texts), size)]
    counts = [count_tokens(part, by_character=level == "char") for part in parts]
    with TemporaryDirectory() as name:
        tokens = find_most_frequent(counts, Path(name, "counts"), most - 2, least)
    assert make_tokenizer(tokens, params).to_str() == train_tokenizer([texts], params).to_str()
