"""Whole columns are cleaned exactly as single texts are."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.text.clean import Cleaning, clean_text
from unroll.text.clean_columns import clean_texts

STOP_WORDS = frozenset({"the", "of", "don't", "in", "é", "The", "a b"})
PLAIN = Cleaning(
    html="feed",
    lowercase=True,
    brackets="keep",
    numbers="keep",
    punctuation="drop",
    stop_words=frozenset(),
    stemming="none",
)
CLEANINGS = st.builds(
    Cleaning,
    html=st.sampled_from(["feed", "decode", "keep"]),
    lowercase=st.booleans(),
    brackets=st.sampled_from(["keep", "drop"]),
    numbers=st.sampled_from(["keep", "mask"]),
    punctuation=st.sampled_from(["keep", "drop"]),
    stop_words=st.sampled_from([frozenset(), STOP_WORDS]),
    stemming=st.sampled_from(["none", "porter"]),
)
MARKUP = r"""
    a b The the of don't in running U.S 3.5 1,000 AT&T R&D _ __ ' '' . .. ... , & && - -- ! ? $ ` \ \$ \\ \\$ ( ) [ ] {
    } (b) [c] < > </ <b> </b> <br/> <b <a <a> # ; &; #; #39; #39 #3 9; &#39; &#39 &amp;#39; #36; #38;#35; #60;b#62;
    amp; &amp; &amp &amp;amp; quot; &quot; &quotb; quot lt; &lt; &ltb; gt; &gt; &amp;lt; &amp;gt; _lt; 1lt; nbsp; &nbsp;
    <b x="1"> <b x='a>' y=1 hidden> <br /> <B\tid=x/> <bx> <b and <a= a=<b> x=1> &copy; &copy &notit; &amp;amp;amp;
    &eacute; &eacutegt; eacute; #33; &bsol; &grave; &NewLine; &#0; &#128; &#xD800; &#x41;
""".split()  # noqa: SIM905
BLANKS = [" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x00", "\x1b", "\x1c", "\x1f", "\x7f"]
BEYOND_ASCII = ["é", "ß", "İ", "ﬁ", "٣", "´", "“", "’", "–", "élt;", "é gt;", "é>", "\x85", "\xa0", "\u2028"]
PIECES = st.sampled_from(MARKUP) | st.sampled_from(BLANKS) | st.text(st.characters(max_codepoint=127), max_size=5)
# Most rows have to be ASCII, as all others take the plain path.
ASCII = st.lists(PIECES, max_size=8).map("".join)
MIXED = st.lists(PIECES | st.sampled_from(BEYOND_ASCII), max_size=8).map("".join)


def clean_one_by_one(texts: list[str], cleaning: Cleaning) -> list[str]:
    return [clean_text(text, cleaning) for text in texts]


@given(st.lists(ASCII | ASCII | MIXED | st.text(), max_size=5), CLEANINGS)
def test_a_column_is_cleaned_as_its_texts_are(texts: list[str], cleaning: Cleaning) -> None:
    cleaned = clean_texts(pa.array(texts, pa.string()), cleaning)
    assert cleaned.to_pylist() == clean_one_by_one(texts, cleaning)


@pytest.mark.parametrize(
    "changes",
    [{}, {"html": "decode"}, {"html": "keep"}, {"brackets": "drop", "punctuation": "keep", "lowercase": False}],
)
def test_whatever_stands_beside_whatever(changes: dict) -> None:
    pieces = MARKUP + BLANKS + BEYOND_ASCII
    texts = [f"one{first}{second}2 t" for first in pieces for second in pieces]
    texts += [f"{first}<b {second}> {first}{second}" for first in pieces for second in pieces]
    cleaning = PLAIN.model_copy(update=changes)
    assert clean_texts(pa.array(texts), cleaning).to_pylist() == clean_one_by_one(texts, cleaning)


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
def test_whatever_the_column_is_made_of(type_: pa.DataType) -> None:
    texts = ["Sox #39;s", "", "the naïve (b)", "the !!", "The man"]
    column = pa.chunked_array([texts[:1], [], texts[1:]], type_)
    cleaning = PLAIN.model_copy(update={"stop_words": STOP_WORDS})
    for part, expected in ((column, texts), (column.combine_chunks().slice(1, 3), texts[1:4]), (column[:0], [])):
        cleaned = clean_texts(part, cleaning)
        assert cleaned.type == type_
        assert cleaned.to_pylist() == clean_one_by_one(expected, cleaning)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({}, None),
        ({"brackets": "drop", "stop_words": STOP_WORDS, "lowercase": False}, None),
        ({"punctuation": "keep", "numbers": "mask"}, None),
        ({"stemming": "porter"}, 2000),
    ],
)
def test_real_rows(ag_news: Path, changes: dict, rows: int | None) -> None:
    with ag_news.open(newline="", encoding="utf-8") as file:
        texts = [text for _, *both in csv.reader(file) for text in both][:rows]
    cleaning = PLAIN.model_copy(update=changes)
    assert clean_texts(pa.array(texts), cleaning).to_pylist() == clean_one_by_one(texts, cleaning)
