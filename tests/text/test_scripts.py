"""Words of every script stay whole: no letter and no mark is lost, whatever stands between them without a width."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.text.clean import Cleaning, clean_text
from unroll.text.clean_columns import clean_texts

PLAIN = Cleaning(
    html="decode",
    lowercase=True,
    brackets="keep",
    numbers="keep",
    punctuation="drop",
    stop_words=frozenset(),
    stemming="none",
)
SCRIPTS = {  # some of their letters, marks and digits
    "Latin": [(0x41, 0x24F), (0x300, 0x344), (0x1E00, 0x1EFF)],
    "Greek": [(0x386, 0x3CE), (0x300, 0x314), (0x1F00, 0x1FBC)],
    "Cyrillic": [(0x400, 0x52F)],
    "Armenian": [(0x531, 0x587)],
    "Hebrew": [(0x591, 0x5EA)],
    "Arabic": [(0x610, 0x61A), (0x620, 0x6D3), (0x6F0, 0x6FF)],
    "Syriac": [(0x710, 0x74F)],
    "Devanagari": [(0x900, 0x97F)],
    "Bengali": [(0x980, 0x9F1)],
    "Tamil": [(0xB82, 0xBEF)],
    "Malayalam": [(0xD00, 0xD7F)],
    "Sinhala": [(0xD81, 0xDF3)],
    "Thai": [(0xE01, 0xE59)],
    "Lao": [(0xE81, 0xEDF)],
    "Tibetan": [(0xF20, 0xF29), (0xF40, 0xFBC)],
    "Myanmar": [(0x1000, 0x109D)],
    "Ethiopic": [(0x1200, 0x135F)],
    "Khmer": [(0x1780, 0x17E9)],
    "Mongolian": [(0x1810, 0x1878)],
    "Han, kana, Hangul": [(0x3041, 0x309A), (0x30A1, 0x30FA), (0x4E00, 0x4E80), (0xAC00, 0xAC80), (0x1100, 0x1112)],
    "Adlam": [(0x1E900, 0x1E959)],  # beyond the first 65,536 characters, and with capitals
}
NO_WIDTH = ["\u00ad", "\u200c", "\u200d", "\u200e", "\u2060", "\u2067", "\u2069", "\ufeff"]


def make_words(script: str) -> st.SearchStrategy[list[str]]:
    """Return lists of words; each begins with a letter or a digit, and may hold anything of `NO_WIDTH`."""
    codes = [code for first, last in SCRIPTS[script] for code in range(first, last + 1)]
    # To Unicode, "½" is a sum, and "ŀ" has a dot that is no letter.
    inside = [character for character in map(chr, codes) if all(map(is_kept, character + normalize(character)))]
    # Some letters are no beginning of a word: to Unicode, Thai's "ำ" is a mark and a letter.
    first = [character for character in inside if unicodedata.category(normalize(character)[0])[0] != "M"]
    rest = st.text(st.sampled_from(inside) | st.sampled_from(inside + NO_WIDTH), max_size=8)
    return st.lists(st.builds(str.__add__, st.sampled_from(first), rest), min_size=1, max_size=6)


def normalize(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).lower())


def is_kept(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


@pytest.mark.parametrize(("script", "words"), [(script, make_words(script)) for script in SCRIPTS], ids=SCRIPTS)
@pytest.mark.parametrize("between", [" ", "\u200b", "\n", " — ", "\u0964"])
@settings(max_examples=20)
@given(data=st.data())
def test_no_letter_and_no_mark_is_lost_and_no_word_is_cut(
    script: str, words: st.SearchStrategy[list[str]], between: str, data: st.DataObject
) -> None:
    drawn = data.draw(words)
    text = between.join(drawn)
    cleaned = clean_text(text, PLAIN)
    joined = text.translate(dict.fromkeys(map(ord, set(NO_WIDTH) - {"\u200c", "\u200d"})))
    assert list(filter(is_kept, cleaned)) == list(filter(is_kept, normalize(joined)))
    assert len(cleaned.split(" ")) == len(drawn)
    assert clean_text(cleaned, PLAIN) == cleaned
    assert clean_texts(pa.array([text]), PLAIN).to_pylist() == [cleaned]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("किताब में लिखा है।", "किताब में लिखा है"),
        ("বাংলা ভাষা, தமிழ் மொழி", "বাংলা ভাষা தமிழ் மொழி"),
        ("ภาษาไทยที่นี่", unicodedata.normalize("NFKC", "ภาษาไทยที่นี่")),
        ("مُحَمَّد، שָׁלוֹם", unicodedata.normalize("NFC", "مُحَمَّد שָׁלוֹם")),
        ("Ọjọ́ ẹ̀kọ́", "ọjọ́ ẹ̀kọ́"),
        ("İSTANBUL'da", "i̇stanbul'da"),
        ("H\u0331 \u1e96", "\u1e96 \u1e96"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("کتاب\u200c کتاب \u200dکتاب", "کتاب کتاب کتاب"),
        ("ක්\u200dරියා අവന്\u200d.", "ක්\u200dරියා අവന്"),
        ("Donau\u00addampf\u00adschiff", "donaudampfschiff"),
        ("\ufeff\u202bשלום\u202c \u2066abc\u2069", "שלום abc"),
        ("one\u200btwo", "one two"),
        ("الرحيم\u06ddالحمد", "الرحيم الحمد"),
        ("教练说，球员们．１，０００ 人，3，5 Ａ．Ｂ", "教练说 球员们 1,000 人 3,5 a b"),
        ("don\u00b4t ¨ \u0301 a", "don t a"),
        ("❤\ufe0f 1\ufe0f\u20e3 👩\u200d🚀", "1\ufe0f\u20e3"),
    ],
)
def test_words_of_many_scripts(raw: str, expected: str) -> None:
    assert clean_text(raw, PLAIN) == expected


def test_a_symbol_keeps_its_marks_where_marks_are_tokens() -> None:
    assert (
        clean_text("A❤\ufe0f, 👩\u200d🚀!", PLAIN.model_copy(update={"punctuation": "keep"})) == "a ❤\ufe0f , 👩 🚀 !"
    )
