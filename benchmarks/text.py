"""Raw text to token ids, ours and the textbook's, with stop words and without."""

from dataclasses import dataclass
from statistics import median

import numpy as np
import pyarrow as pa

from benchmarks import textbook
from benchmarks.measure import Comparison, Section, add, at_least, compare
from benchmarks.rows import Headlines, tile_texts
from unroll.params.texts import TokenizeParams
from unroll.stages.preprocess import choose_cleaning
from unroll.text.clean import Cleaning, clean_text
from unroll.text.clean_columns import clean_texts
from unroll.text.encode_columns import ColumnTokenizer, make_column_tokenizer
from unroll.text.vocabulary import make_text_tokenizer, train_tokenizer

TARGET = 8


@dataclass(frozen=True)
class TextFigures:
    """One setting of stop words: the number of rows whose ids were compared, and the times of each part.

    plain: cleaning and encoding beside the package's own functions for single texts, called row by row.
    """

    stop_words: str
    rows: int
    cleaning: Comparison
    vocabulary: Comparison
    encoding: Comparison
    plain: Comparison

    @property
    def whole(self) -> Comparison:
        """Raw text to ids, with the vocabulary given."""
        return add(self.cleaning, self.encoding)


def measure_text(headlines: Headlines, rows: int, rounds: int) -> list[TextFigures]:
    """Measure both settings on so many headlines, repeated where there are fewer, and compare all their ids.

    Raises:
        ValueError: the textbook's ids are not ours.
    """
    texts = tile_texts(headlines.texts, rows)
    figures = []
    for stop_words in ("keep", "drop"):
        params = headlines.params.preprocess.model_copy(update={"stop_words": stop_words})
        figures.append(
            _measure_setting(
                stop_words,
                texts,
                choose_cleaning(params, headlines.params.data.dataset),
                headlines.params.tokenize,
                rounds,
            )
        )
    return figures


def _measure_setting(
    stop_words: str, texts: list[str], cleaning: Cleaning, params: TokenizeParams, rounds: int
) -> TextFigures:
    pattern = textbook.compile_stop_words(cleaning.stop_words)
    cleaned, cleaned_by_textbook = clean_ours(texts, cleaning), clean_textbook(texts, pattern)
    column_tokenizer, vocabulary = learn_ours(cleaned, params), learn_textbook(cleaned_by_textbook, params)
    encode_one = make_text_tokenizer(column_tokenizer.tokenizer)
    compared = compare_ids(
        column_tokenizer.encode(cleaned)[:2], encode_textbook(cleaned_by_textbook, vocabulary, params)
    )
    return TextFigures(
        stop_words,
        compared,
        cleaning=compare(lambda: clean_ours(texts, cleaning), lambda: clean_textbook(texts, pattern), rounds),
        vocabulary=compare(
            lambda: learn_ours(cleaned, params), lambda: learn_textbook(cleaned_by_textbook, params), rounds
        ),
        encoding=compare(
            lambda: column_tokenizer.encode(cleaned),
            lambda: encode_textbook(cleaned_by_textbook, vocabulary, params),
            rounds,
        ),
        plain=compare(
            lambda: column_tokenizer.encode(clean_ours(texts, cleaning)),
            lambda: [encode_one(clean_text(text, cleaning)) for text in texts],
            rounds,
        ),
    )


def compare_ids(ours: tuple[np.ndarray, np.ndarray], others: list[list[int]]) -> int:
    """Return how many rows were compared; ours: ids [tokens] and offsets [rows + 1].

    Raises:
        ValueError: a row differs.
    """
    ids, offsets = ours
    rows = np.split(ids, offsets[1:-1])
    for number, (row, other) in enumerate(zip(rows, others, strict=True)):
        if row.tolist() != other:
            raise ValueError(f"row {number}: the textbook's ids are {other}, ours {row.tolist()}")
    return len(rows)


def clean_ours(texts: list[str], cleaning: Cleaning) -> pa.StringArray:
    """Clean with the package, Arrow's copy of the texts included."""
    return clean_texts(pa.array(texts), cleaning)


def learn_ours(cleaned: pa.StringArray, params: TokenizeParams) -> ColumnTokenizer:
    """Learn the vocabulary with the package."""
    return make_column_tokenizer(train_tokenizer([cleaned.to_pylist()], params))


def clean_textbook(texts: list[str], stop_words: textbook.Pattern) -> list[str]:
    """Clean row by row."""
    return [textbook.clean_text(text, stop_words) for text in texts]


def learn_textbook(cleaned: list[str], params: TokenizeParams) -> dict[str, int]:
    """Count words in a dictionary."""
    return textbook.build_vocabulary(cleaned, params.vocabulary_size, params.min_count)


def encode_textbook(cleaned: list[str], vocabulary: dict[str, int], params: TokenizeParams) -> list[list[int]]:
    """Look words up row by row."""
    return [textbook.encode_text(text, vocabulary, params.max_tokens) for text in cleaned]


def describe_text(figures: list[TextFigures]) -> Section:
    """Return the figures as the document shows them."""
    rows, checks = [], []
    for item in figures:
        parts = (item.cleaning, item.encoding, item.whole, item.vocabulary, item.plain)
        seconds = 1e6 * median(item.whole.ours) / item.rows
        rows.append((item.stop_words, f"{item.rows:,}", f"{seconds:.1f}", *(part.text for part in parts)))
        name = f"raw text → token ids, {item.rows:,} headlines, stop words: {item.stop_words}"
        checks.append(at_least(name, item.whole.ratio, TARGET))
    return Section(
        "Raw text to token ids",
        "Cleaning, and encoding with a given vocabulary; learning it is measured separately. The textbook applies "
        "every expression to every row. The last column compares both parts with the package's own functions for one "
        "text, called row by row, which skip expressions where a text has no semicolon. The ids of all rows were "
        "compared and are identical. CPU seconds, one thread.",
        ("stop words", "rows compared", "ours, µs a row", "cleaning", "encoding", "both", "vocabulary", "row by row"),
        rows,
        checks,
    )
