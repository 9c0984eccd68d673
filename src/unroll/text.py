"""Text cleaning: the one function that the pipeline and inference share."""

import re
import unicodedata
from html import unescape
from typing import Literal

from pydantic import BaseModel, ConfigDict

# What news feeds leave of HTML entities: "Sox #39;s", "&amp;lt;b&amp;gt;", " quot;". The feeds put a space
# where the ampersand stood, so the space belongs to the debris.
_NUMERIC_ENTITY = re.compile(r"(?:&amp;|&| )?#(\d{2,5});")
_NAMED_ENTITY = re.compile(r"(?:&amp;|&|\b ?)(amp|quot|apos|lt|gt|nbsp);")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BACKSLASH = re.compile(r"\\(?!\$)")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": "-", "—": "-"})
# A word may hold apostrophes, full stops and ampersands between letters: "don't", "U.S", "AT&T", "3.5".
_WORD = re.compile(r"[^\W_]+(?:['.,&][^\W_]+)*")
_WORD_OR_MARK = re.compile(rf"{_WORD.pattern}|[^\w\s]")
_NUMBER = re.compile(r"\d")


class Cleaning(BaseModel):
    """What is done to a text before tokens are made; kept in models/cleaning.json for inference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lowercase: bool
    brackets: Literal["keep", "drop"]
    numbers: Literal["keep", "mask"]
    punctuation: Literal["keep", "drop"]
    stop_words: frozenset[str]
    stemming: Literal["none", "porter"]


def clean_text(text: str, cleaning: Cleaning) -> str:
    """Return the text's words (and marks, when kept), each separated by one space.

    HTML entities and tags are decoded or removed first, so that `gt`, `39` or `quot` never become words.
    The result is empty when nothing is left.
    """
    text = _BACKSLASH.sub(" ", _decode_html(text)).replace("\\", "")
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    if cleaning.brackets == "drop":
        text = _BRACKETS.sub(" ", text)
    if cleaning.lowercase:
        text = text.lower()
    words = (_WORD if cleaning.punctuation == "drop" else _WORD_OR_MARK).findall(text)
    if cleaning.stop_words:
        words = [word for word in words if word.lower() not in cleaning.stop_words]
    if cleaning.stemming == "porter":
        words = _stem(words, cleaning.lowercase)
    if cleaning.numbers == "mask":
        words = [_NUMBER.sub("0", word) for word in words]
    return " ".join(words)


def _decode_html(text: str) -> str:
    # Twice, because feeds escape what was escaped already: "&amp;lt;b&amp;gt;".
    for _ in range(2):
        if ";" in text:
            text = _NUMERIC_ENTITY.sub(r"&#\1;", text)
            text = _NAMED_ENTITY.sub(r"&\1;", text)
            text = unescape(text)
    return _TAG.sub(" ", text) if "<" in text else text


def _stem(words: list[str], lowercase: bool) -> list[str]:
    from nltk.stem.porter import PorterStemmer  # imported here: it takes a second that most runs need not spend

    stemmer = PorterStemmer()
    return [stemmer.stem(word, to_lowercase=lowercase) for word in words]
