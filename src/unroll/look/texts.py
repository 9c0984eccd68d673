"""What the texts of the splits are like: a sample of them, their lengths, scripts and unknown words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import regex

from unroll.base.errors import explain_missing
from unroll.data.parquet import read_record_batches
from unroll.params.common import SPLIT_NAMES

SPLITS = Path("data/splits")
ROWS = 100_000  # of all splits together that are looked at; of more, so many are chosen at random
CHARACTERS = 2000  # of each of their texts
SEED = 1
CHUNK = 1000  # texts whose characters are in memory at once, four bytes for each
CODES = 0x110000
SCRIPTS = (
    *("Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Hebrew", "Arabic", "Ethiopic", "Devanagari", "Bengali"),
    *("Gurmukhi", "Gujarati", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Tibetan", "Mongolian", "Hangul"),
    *("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"),
)
OTHER = "another script"


@dataclass(frozen=True)
class Rows:
    """Rows of the splits. counts: rows of each class (index) and split (columns), the largest class first.

    looked_at: columns split, part, row, label, text (its beginning), words and characters (of the whole text).
    """

    counts: pd.DataFrame
    looked_at: pd.DataFrame

    @property
    def total(self) -> int:
        """Number of rows in all splits."""
        return int(self.counts.to_numpy().sum())


def read_splits(folder: Path = SPLITS, most: int = ROWS) -> Rows:
    """Count the rows of all splits, and read those that are looked at.

    Raises:
        InputError: a split is missing.
    """
    paths = {name: folder / f"{name}.parquet" for name in SPLIT_NAMES}
    if missing := [path for path in paths.values() if not path.is_file()]:
        raise explain_missing(missing[0])
    counts = pd.DataFrame({name: _count_labels(path) for name, path in paths.items()}).fillna(0).astype(np.int64)
    order = np.lexsort((counts.index.to_numpy(dtype=str), -counts.sum(axis=1)))
    total = int(counts.to_numpy().sum())
    chosen = np.ones(total, dtype=bool)
    if total > most:
        chosen[:] = False
        chosen[np.random.default_rng(SEED).choice(total, most, replace=False)] = True
    parts, first = [], 0
    for name, path in paths.items():
        for batch in read_record_batches(path, "part", "row", "label", "text"):
            own = batch.filter(chosen[first : first + len(batch)])
            table = own.to_pandas()
            table["text"] = [cut_words(text) for text in table["text"]]
            table["words"] = pc.add(pc.count_substring(own["text"], " "), 1).to_numpy()
            table["characters"] = pc.utf8_length(own["text"]).to_numpy()
            parts.append(table.assign(split=name))
            first += len(batch)
    return Rows(counts.iloc[order], pd.concat(parts, ignore_index=True))


def cut_words(text: str) -> str:
    """Return the words among the first `CHARACTERS` of a text, or these if they are one word."""
    return text if len(text) <= CHARACTERS else text[:CHARACTERS].rpartition(" ")[0] or text[:CHARACTERS]


def count_scripts(texts: Iterable[str]) -> dict[str, int]:
    """Return how many letters of each Unicode script the texts have, but for scripts without any."""
    texts, counts = list(texts), np.zeros(CODES, dtype=np.int64)
    for start in range(0, len(texts), CHUNK):
        codes = np.frombuffer("".join(texts[start : start + CHUNK]).encode("utf-32-le"), dtype="<u4")
        counts += np.bincount(codes, minlength=CODES)
    letters = "".join(regex.findall(r"\p{L}", "".join(map(chr, np.flatnonzero(counts)))))
    found = {}
    for script in SCRIPTS:
        own = regex.findall(rf"\p{{Script={script}}}", letters)
        found[script] = sum(int(counts[ord(letter)]) for letter in own)
    found[OTHER] = sum(int(counts[ord(letter)]) for letter in letters) - sum(found.values())
    return {script: count for script, count in found.items() if count}


def collect_words(folder: Path = SPLITS) -> set[str]:
    """Return all words of the training texts and of their contexts."""
    words: set[str] = set()
    for batch in read_record_batches(folder / "train.parquet", "text", "context"):
        for column in batch.columns:
            words.update(*(text.split() for text in column.to_pylist()))
    return words


def count_unknown(texts: Iterable[str], known: set[str]) -> tuple[int, Counter[str]]:
    """Return how many words the texts have, and how often each of those that are not known."""
    words: Counter[str] = Counter()
    for text in texts:
        words.update(text.split())
    return words.total(), Counter({word: count for word, count in words.items() if word not in known})


def count_lengths(lengths: np.ndarray, most: int = 24) -> list[tuple[int, int | None, int]]:
    """Return a histogram of lengths ([texts] int64, from 1): first and last length of each bin, and how many texts.

    At most so many bins, of equal width, up to the 99th percentile; longer texts are in a last one, without an end.
    """
    longest = int(np.percentile(lengths, 99, method="higher"))
    width = -(-longest // most)
    counts = np.bincount((lengths[lengths <= longest] - 1) // width)
    bins: list[tuple[int, int | None, int]] = [
        (number * width + 1, (number + 1) * width, int(count)) for number, count in enumerate(counts)
    ]
    rest = int((lengths > longest).sum())
    return [*bins, (len(counts) * width + 1, None, rest)] if rest else bins


def _count_labels(path: Path) -> "pd.Series[int]":
    with pq.ParquetFile(path, read_dictionary=["label"], pre_buffer=False) as file:
        counted = file.read(["label"])["label"].combine_chunks().value_counts()
    names, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    return pd.Series(dict(zip(names, counts, strict=True)))
