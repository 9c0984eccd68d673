"""Cleaning of whole columns: the results of `clean_text`, several times as fast.

Arrow's kernels clean all ASCII rows at once, with the patterns of `clean_text`. On ASCII, Arrow's engine (RE2) matches
them as Python does; elsewhere it does not, as its `\\b` and `\\d` know only ASCII. All other rows go through
`clean_text` itself.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unroll.text.clean import BRACKETS, Cleaning, change_words, clean_text
from unroll.text.markup import NAMED_DEBRIS, NUMERIC_DEBRIS, TAG, TAG_DEBRIS, Html, decode_entities, decode_loosely

# A text without any of these has no entity, tag, backslash or backtick.
_DEBRIS = r"[;<\\`]"
# What separates words: anything except one space, or a single mark that may stand inside a word.
_SEPARATOR = r"[^0-9A-Za-z]{2,}|[^0-9A-Za-z'.,& ]"
_BLANKS = "_\t\n\v\f\r\x1c\x1d\x1e\x1f "  # neither word nor mark
_WORD_OR_MARK = rf"[{_BLANKS}]*([0-9A-Za-z]+(?:['.,&][0-9A-Za-z]+)*|[^0-9A-Za-z{_BLANKS}])[{_BLANKS}]*"


def clean_texts(texts: pa.StringArray | pa.ChunkedArray, cleaning: Cleaning) -> pa.StringArray:
    """Return `clean_text(text, cleaning)` for each text; none may be null."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    # Null stands for a text that is not ASCII: the kernels skip it.
    tidy = _keep_ascii(texts)
    tidy = _replace_where(
        pc.match_substring_regex(tidy, _DEBRIS),
        tidy,
        lambda texts: pc.replace_substring(_remove_markup(texts, cleaning.html), "`", "'"),
    )
    other = tidy.is_null()
    if cleaning.brackets == "drop":
        tidy = pc.replace_substring_regex(tidy, BRACKETS.pattern, " ")
    if cleaning.lowercase:
        tidy = pc.ascii_lower(tidy)
    if cleaning.punctuation == "drop":
        cleaned = pc.ascii_trim(pc.replace_substring_regex(tidy, _SEPARATOR, " "), "'.,& ")
    else:
        cleaned = pc.ascii_trim(pc.replace_substring_regex(tidy, _WORD_OR_MARK, r"\1 "), _BLANKS)
    if cleaning.stop_words or cleaning.stemming != "none" or cleaning.numbers == "mask":
        cleaned = _change_words(cleaned, cleaning)
    return pc.replace_with_mask(cleaned, other, _apply(lambda text: clean_text(text, cleaning), texts.filter(other)))


def _keep_ascii(texts: pa.StringArray) -> pa.StringArray:
    return pc.if_else(pc.string_is_ascii(texts), texts, pa.scalar(None, texts.type))


def _remove_markup(texts: pa.StringArray, html: Html) -> pa.StringArray:
    if html == "feed":
        for _ in range(2):  # as `clean_text` does
            texts = _keep_ascii(_replace_where(pc.match_substring(texts, ";"), texts, _decode_debris))
        texts = pc.replace_substring_regex(texts, TAG_DEBRIS.pattern, " ")
        texts = pc.replace_substring(texts, "\\", " ")
    elif html == "decode":
        texts = pc.replace_substring_regex(texts, TAG.pattern, " ")
        texts = _replace_where(pc.match_substring(texts, ";"), texts, lambda texts: _apply(decode_entities, texts))
        texts = _keep_ascii(texts)
    return texts


def _decode_debris(texts: pa.StringArray) -> pa.StringArray:
    texts = pc.replace_substring_regex(texts, NUMERIC_DEBRIS.pattern, r"&#\1;")
    texts = pc.replace_substring_regex(texts, NAMED_DEBRIS.pattern, r"&\1;")
    return _apply(decode_loosely, texts)


def _change_words(texts: pa.StringArray, cleaning: Cleaning) -> pa.StringArray:
    """Drop stop words and change the others, each distinct word once, and join the texts again."""
    words = pc.split_pattern(texts, " ")
    encoded = words.flatten().dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    pairs = zip(distinct, change_words(distinct, cleaning), strict=True)
    changed = [None if word.lower() in cleaning.stop_words else other for word, other in pairs]
    flat = pa.array(changed, texts.type).take(encoded.indices)
    ends = np.concatenate([[0], np.cumsum(flat.is_valid())])[words.offsets]
    return pc.binary_join(pa.ListArray.from_arrays(ends, flat.drop_null()), pa.scalar(" ", texts.type))


def _replace_where(
    chosen: pa.BooleanArray, texts: pa.StringArray, change: Callable[[pa.StringArray], pa.StringArray]
) -> pa.StringArray:
    return pc.replace_with_mask(texts, chosen, change(texts.filter(chosen)))


def _apply(change: Callable[[str], str], texts: pa.StringArray) -> pa.StringArray:
    return pa.array([change(text) for text in texts.to_pylist()], texts.type)
