"""data/raw/ → data/clean/: clean, distinct texts with their labels, and counts of the dropped rows."""

import math
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from unroll.base.errors import InputError, make_printable
from unroll.base.files import open_scratch, read_json, write_json
from unroll.base.partitions import Partitions, hash_texts
from unroll.base.parts import Workers, open_workers
from unroll.base.process import run_stage
from unroll.data.datasets import choose_layout, read_sources
from unroll.data.parquet import copy_rows, read_record_batches
from unroll.params.texts import PreprocessParams, read_text_params
from unroll.text.clean import Cleaning
from unroll.text.clean_columns import clean_texts

RAW = Path("data/raw")
STOP_WORDS = Path(__file__).parents[1] / "text" / "stopwords"
CLEAN = Path("data/clean/rows.parquet")
# part: "all", "train" or "test"; row: the number of the row in its raw file, from 1, or in its part's files, in order.
# context: more text of the row, which training learns from, and which is never classified.
SCHEMA = pa.schema([(name, pa.string()) for name in ("text", "context", "label", "part")] + [("row", pa.int64())])
DROP_REASONS = ("missing", "unknown_class", "empty_after_cleaning", "conflicting_label", "in_test", "duplicate")
FATES = pd.CategoricalDtype(("keep", *DROP_REASONS))
KEEP = 0  # the number of that fate
# What is remembered of each row: hashes of text and label, its number among all rows, part and fate.
INDEX = np.dtype([("key", "u8"), ("label", "u8"), ("number", "i8"), ("is_test", "?"), ("fate", "i1")])
FEWEST_ROWS_OF_A_CLASS = 3  # one for each split
LONGEST_NAME_OF_A_CLASS = 200
PERCENTILES = (5, 25, 50, 75, 95, 99)


def main() -> None:
    params = read_text_params()
    cleaning, layout = choose_cleaning(params.preprocess, params.data.dataset), choose_layout(params.data)
    sources = read_json(RAW / "sources.json")
    # Two passes, so that the texts are never all in memory. The first cleans, and remembers a few bytes of each row,
    # from which duplicates are found; the second copies the rows that are kept.
    with open_scratch(CLEAN) as folder, open_workers() as workers:
        cleaned = folder / "cleaned.parquet"
        fates = clean_all(read_sources(RAW, sources, layout), layout.class_names, cleaning, cleaned, workers)
        summary = summarize(read_record_batches(cleaned, "text", "label"), fates, sources)
        check_summary(summary)
        copy_rows(cleaned, CLEAN, fates, KEEP)
    write_json(Path("models/cleaning.json"), {**cleaning.model_dump(), "stop_words": sorted(cleaning.stop_words)})
    write_json(Path("metrics/data.json"), summary)
    print(f"preprocess: {summary['rows_out']:,} of {summary['rows_in']:,} rows kept, {len(summary['classes'])} classes")


def choose_cleaning(params: PreprocessParams, dataset: str) -> Cleaning:
    """Return the parameters with the stop words and the data set's kind of HTML filled in."""
    stop_words = read_stop_words() if params.stop_words == "drop" else []
    html = ("feed" if dataset == "ag_news" else "decode") if params.html == "auto" else params.html
    return Cleaning(**{**params.model_dump(), "stop_words": frozenset(stop_words), "html": html})


def read_stop_words() -> list[str]:
    """Read the list in the repository with NLTK's corpus reader."""
    import nltk  # imported here: it takes a second, and most runs do not need it
    from nltk.corpus.reader import WordListCorpusReader

    folder = str(STOP_WORDS.resolve())
    nltk.data.path.append(folder)  # NLTK reads only from the folders on this list
    return WordListCorpusReader(folder, ["english"]).words()


def clean_all(
    raw: Iterable[pd.DataFrame],
    class_names: dict[str, str] | None,
    cleaning: Cleaning,
    cleaned: Path,
    workers: Workers,
) -> np.ndarray:
    """Write every row, cleaned, to `cleaned`; return each row's fate, [rows] int8, mapped from a file.

    Only an index of the rows is looked at as a whole, and of that only those rows at once that may have equal texts.
    """
    fates_file = cleaned.with_name("fates")
    clean = partial(clean_part, class_names=class_names, cleaning=cleaning)
    with Partitions(cleaned.with_name("index"), INDEX) as partitions:
        with (
            pq.ParquetWriter(cleaned, SCHEMA) as writer,
            fates_file.open("wb") as file,
            tqdm(unit=" rows", desc="preprocess", disable=None) as progress,
        ):
            first = 0
            for table, index in workers.map(clean, raw):
                index["number"] = np.arange(first, first := first + len(table))
                writer.write_table(table)
                file.write(index["fate"].tobytes())
                partitions.add(index[index["fate"] == KEEP])
                progress.update(len(table))
        fates = np.memmap(fates_file, np.int8)
        for numbers, decided in workers.map(decide_part, partitions.read()):
            fates[numbers] = decided
    return fates


def clean_part(
    raw: pd.DataFrame, class_names: dict[str, str] | None, cleaning: Cleaning
) -> tuple[pa.Table, np.ndarray]:
    """Clean a chunk of rows; return them, and what `index_rows` says about them."""
    rows, fates = clean_rows(raw, class_names, cleaning)
    return pa.Table.from_pandas(rows, SCHEMA, preserve_index=False), index_rows(rows, fates)


def clean_rows(
    raw: pd.DataFrame, class_names: dict[str, str] | None, cleaning: Cleaning
) -> tuple[pd.DataFrame, pd.Series]:
    """Clean a chunk of rows; return them with each row's fate: "keep" or the reason to drop it."""
    labels = raw["label"].map(class_names).fillna("") if class_names else raw["label"]
    cleaned = clean_texts(pa.array(raw["text"]), cleaning)
    texts = pd.Series(cleaned, index=raw.index, dtype=str)
    fates = pd.Series("keep", index=raw.index, dtype=FATES)
    fates[texts == ""] = "empty_after_cleaning"
    fates[labels == ""] = "unknown_class"
    fates[(raw["text"].str.strip() == "") | (raw["label"] == "")] = "missing"
    contexts = pd.Series(clean_texts(pa.array(raw["context"]), cleaning), index=raw.index, dtype=str)
    return raw.assign(text=texts, context=contexts, label=labels), fates


def index_rows(rows: pd.DataFrame, fates: pd.Series) -> np.ndarray:
    """Return what to remember of each row: hashes of its text and label, its part and its fate so far; [rows] `INDEX`.

    If two different texts shared a hash, all that would happen is that one of them is dropped as a duplicate.
    """
    index = np.zeros(len(rows), INDEX)
    for field, column in (("key", "text"), ("label", "label")):
        index[field] = hash_texts(pa.array(rows[column], pa.string()))
    index["is_test"] = rows["part"] == "test"
    index["fate"] = fates.cat.codes
    return index


def decide_part(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of rows and their fates; index: [rows] `INDEX`, all rows that may have equal texts."""
    return index["number"], decide_fates(index)


def decide_fates(index: np.ndarray) -> np.ndarray:
    """Return for each row `KEEP` or the reason to drop it, so that each text is kept once, with one label; [rows] int8.

    Texts with several labels are dropped altogether. Of equal texts with one label the first is kept, or the one in an
    official test split; then the training rows with that text are dropped as "in_test".
    """
    fates = index["fate"].copy()
    rows = np.flatnonzero(fates == KEEP)
    key, label, is_test = index["key"], index["label"], index["is_test"]
    # Sorting puts equal texts side by side; the first of them is kept.
    rows = rows[np.lexsort((~is_test[rows], key[rows]))]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = key[rows[1:]] != key[rows[:-1]]
    text = np.cumsum(first) - 1
    kept = rows[first][text]  # for each row, the one that is kept of its text
    conflicting = np.isin(text, text[label[rows] != label[kept]])
    fates[rows[~first]] = FATES.categories.get_loc("duplicate")
    fates[rows[is_test[kept] & ~is_test[rows]]] = FATES.categories.get_loc("in_test")
    fates[rows[conflicting]] = FATES.categories.get_loc("conflicting_label")
    return fates


def summarize(batches: Iterable[pa.RecordBatch], fates: np.ndarray, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of metrics/data.json; batches: text and label of all rows; fates: [rows] int8."""
    counts, first = np.zeros(len(FATES.categories), dtype=np.int64), 0
    classes: Counter[str] = Counter()
    lengths = np.zeros(1, dtype=np.int64)  # how many texts have 0, 1, 2, … words
    for batch in batches:
        part = np.asarray(fates[first : first + len(batch)])
        first += len(batch)
        counts += np.bincount(part, minlength=len(counts))
        kept = batch.filter(pa.array(part == KEEP))
        classes.update({row["values"]: row["counts"] for row in kept["label"].value_counts().to_pylist()})
        words = np.bincount(pc.count_substring(kept["text"], " ").to_numpy() + 1, minlength=len(lengths))
        words[: len(lengths)] += lengths
        lengths = words
    rows_out = int(counts[KEEP])
    return {
        "rows_in": int(counts.sum()),
        "rows_out": rows_out,
        "dropped": {reason: int(counts[number]) for number, reason in enumerate(FATES.categories) if number != KEEP},
        "classes": dict(classes),
        "words_per_text": find_percentiles(lengths) | {"max": len(lengths) - 1},
        "sources": {_name_source(source): {key: source[key] for key in ("bytes", "sha256")} for source in sources},
    }


def _name_source(source: dict[str, Any]) -> str:
    """Return the part of a raw file, or the name of one of several."""
    return source["name"] if "/" in source["name"] else source["part"]


def find_percentiles(counts: np.ndarray) -> dict[str, float]:
    """Return the percentiles of whole numbers of which `counts` ([greatest + 1] int64) says how often each occurs.

    They are those of `numpy.percentile`, without a list of all numbers.
    """
    ends = np.cumsum(counts)
    if not ends[-1]:
        return {}
    percentiles = {}
    for percent in PERCENTILES:
        place = percent / 100 * (int(ends[-1]) - 1)
        low, high = (int(np.searchsorted(ends, rank, side="right")) for rank in (int(place), math.ceil(place)))
        percentiles[f"p{percent:02d}"] = low + (high - low) * (place - int(place))
    return percentiles


def check_summary(summary: dict[str, Any]) -> None:
    """Raise InputError if nothing can be learned from the remaining rows."""
    if not summary["rows_out"]:
        dropped = {reason.replace("_", " "): count for reason, count in summary["dropped"].items() if count}
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
        raise InputError(
            f"data/raw: all {summary['rows_in']:,} rows were dropped ({reasons}): check the data parameters"
        )
    for name in summary["classes"]:
        if make_printable(name) != name or len(name) > LONGEST_NAME_OF_A_CLASS:
            raise InputError(
                f"data/raw: {name[: LONGEST_NAME_OF_A_CLASS // 2]!r} cannot be a class's name: expected at most "
                f"{LONGEST_NAME_OF_A_CLASS} characters, and none that control a terminal: check data.label_column"
            )
    if len(summary["classes"]) == 1:
        raise InputError(
            f"data/raw: every row has the label {next(iter(summary['classes']))!r}: expected two or more classes"
        )
    rare = [(count, name) for name, count in summary["classes"].items() if count < FEWEST_ROWS_OF_A_CLASS]
    if rare:
        count, name = min(rare)
        more = f" ({len(rare)} classes are that small)" if len(rare) > 1 else ""
        raise InputError(
            f"data/raw: class {name!r} has {count} usable row{'s' * (count > 1)}, expected at least "
            f"{FEWEST_ROWS_OF_A_CLASS}, one for each split{more}: check data.label_column"
        )


if __name__ == "__main__":
    run_stage(main)
