"""Raw text to token ids, ours and the textbook's, with stop words and without."""

from dataclasses import dataclass

from benchmarks import textbook
from benchmarks.headlines import Headlines, tile_texts
from benchmarks.measure import Comparison, Section, add, at_least, compare
from unroll.params import TokenizeParams
from unroll.stages.preprocess import choose_cleaning
from unroll.text import Cleaning, clean_text
from unroll.vocabulary import encode_texts, train_tokenizer

TARGET = 8


@dataclass(frozen=True)
class TextFigures:
    """One setting of stop words: the number of rows whose ids were compared, and the times of each part."""

    stop_words: str
    rows: int
    cleaning: Comparison
    vocabulary: Comparison
    encoding: Comparison

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
        figures.append(_measure_setting(stop_words, texts, choose_cleaning(params), headlines.params.tokenize, rounds))
    return figures


def _measure_setting(
    stop_words: str, texts: list[str], cleaning: Cleaning, params: TokenizeParams, rounds: int
) -> TextFigures:
    pattern = textbook.compile_stop_words(cleaning.stop_words)
    cleaned, cleaned_by_textbook = clean_ours(texts, cleaning), clean_textbook(texts, pattern)
    tokenizer = train_tokenizer([cleaned], params)
    vocabulary = learn_textbook(cleaned_by_textbook, params)
    ids = encode_texts(tokenizer, cleaned)
    if ids != encode_textbook(cleaned_by_textbook, vocabulary, params):
        raise ValueError(f"stop words {stop_words}: the textbook's ids are not ours")
    return TextFigures(
        stop_words,
        len(ids),
        cleaning=compare(lambda: clean_ours(texts, cleaning), lambda: clean_textbook(texts, pattern), rounds),
        vocabulary=compare(
            lambda: train_tokenizer([cleaned], params), lambda: learn_textbook(cleaned_by_textbook, params), rounds
        ),
        encoding=compare(
            lambda: encode_texts(tokenizer, cleaned),
            lambda: encode_textbook(cleaned_by_textbook, vocabulary, params),
            rounds,
        ),
    )


def clean_ours(texts: list[str], cleaning: Cleaning) -> list[str]:
    """Clean with the package."""
    return [clean_text(text, cleaning) for text in texts]


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
    rows = []
    for item in figures:
        parts = (item.cleaning, item.encoding, item.whole, item.vocabulary)
        rows.append((item.stop_words, f"{item.rows:,}", *(part.text for part in parts)))
    return Section(
        "Raw text to token ids",
        "Cleaning and encoding with the vocabulary given; learning the vocabulary is apart. Ids of all rows were "
        "compared and are identical.",
        ("stop words", "rows compared", "cleaning", "encoding", "both", "vocabulary"),
        rows,
        [
            at_least(
                f"raw text → token ids, {item.rows:,} headlines, stop words: {item.stop_words}",
                item.whole.ratio,
                TARGET,
            )
            for item in figures
        ],
    )
