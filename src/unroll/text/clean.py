"""Text cleaning: the definition that pipeline and inference share; clean_columns does the same for whole columns."""

import re
import unicodedata
from typing import Literal

import regex  # knows Unicode's classes, as `re` does not
from pydantic import BaseModel, ConfigDict

from unroll.text.markup import Html, remove_markup

BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": "-", "—": "-"})
# A word begins with a letter or a digit, and has letters, marks and digits. Inside it may be apostrophes, full stops
# and ampersands ("don't", "U.S", "AT&T", "3.5"), and the joiners and non-joiners of no width that choose the forms of
# letters in Persian and Indic scripts.
_WORD = regex.compile(
    r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:(?:['.,&](?=[\p{L}\p{N}])|[\u200c\u200d]+)[\p{L}\p{M}\p{N}]+)*"
)
_MARK = r"[^_\s\x1c-\x1f\u200b-\u200d\p{L}\p{M}\p{N}\p{Cs}]\p{M}*"  # lone surrogates (Cs) are no characters
_WORD_OR_MARK = regex.compile(rf"{_WORD.pattern}|{_MARK}")
# Characters of no width that part no words: soft hyphens, byte order marks, directions of writing. A zero-width space
# parts them, and so do the few format characters that can be seen.
_FORMAT = regex.compile(r"(?![\u200b-\u200d]|\p{Prepended_Concatenation_Mark})\p{Cf}")
# Of a full width, a comma or full stop ends a clause, even without a space after it; but not in a number.
_END_OF_CLAUSE = re.compile(r"(?<!\d)[，．﹐﹒]|[，．﹐﹒](?!\d)")
_NUMBER = re.compile(r"\d")
_MOST_MARKS = 30  # on one letter, as in Unicode's "stream-safe" texts
_MARKS_WITHOUT_CLASS = "\u0f73\u0f75\u0f81\uff9e\uff9f"  # whose parts are combining marks


class Cleaning(BaseModel):
    """How a text is cleaned before it is tokenized; kept in models/cleaning.json for inference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    html: Html
    lowercase: bool
    brackets: Literal["keep", "drop"]
    numbers: Literal["keep", "mask"]
    punctuation: Literal["keep", "drop"]
    stop_words: frozenset[str]
    stemming: Literal["none", "porter"]


def clean_text(text: str, cleaning: Cleaning) -> str:
    """Return the text's words (and marks, when kept), each separated by one space.

    HTML is decoded or removed first, so that `gt`, `39` or `quot` never become words. The result is empty when
    nothing is left.
    """
    text = remove_markup(text, cleaning.html)
    if not text.isascii():
        text = _END_OF_CLAUSE.sub(r"\g<0> ", _FORMAT.sub("", text))
        text = unicodedata.normalize("NFKC", _limit_marks(text))
    text = text.translate(_QUOTES)
    if cleaning.brackets == "drop":
        text = BRACKETS.sub(" ", text)
    if cleaning.lowercase:
        text = unicodedata.normalize("NFC", text.lower())  # some letters are whole only when small: H̱, ẖ
    words = (_WORD if cleaning.punctuation == "drop" else _WORD_OR_MARK).findall(text)
    if cleaning.stop_words:
        words = [word for word in words if word.lower() not in cleaning.stop_words]
    return " ".join(change_words(words, cleaning))


def change_words(words: list[str], cleaning: Cleaning) -> list[str]:
    """Return the words, stemmed and with their digits masked if `cleaning` says so."""
    if cleaning.stemming == "porter":
        words = _stem(words, cleaning.lowercase)
    if cleaning.numbers == "mask":
        words = [_NUMBER.sub("0", word) for word in words]
    return words


def _limit_marks(text: str) -> str:
    """Cut long runs of combining marks: the time to sort them grows with the square of their number."""
    if len(text) < 1000:
        return text
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) or character in _MARKS_WITHOUT_CLASS else 0
        if run <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _stem(words: list[str], lowercase: bool) -> list[str]:
    from nltk.stem.porter import PorterStemmer  # imported here: it takes a second, and most runs do not need it

    stemmer = PorterStemmer()
    return [stemmer.stem(word, to_lowercase=lowercase) for word in words]
