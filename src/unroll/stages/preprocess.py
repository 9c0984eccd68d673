"""data/raw/ → data/clean/: clean, distinct texts with their labels, and counts of the dropped rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from unroll.base.errors import InputError, make_printable
from unroll.base.files import open_scratch, read_json, write_json
from unroll.base.process import run_stage
from unroll.data.datasets import Layout, choose_layout, read_rows
from unroll.data.parquet import copy_rows
from unroll.params.texts import PreprocessParams, read_text_params
from unroll.text.clean import Cleaning
from unroll.text.clean_columns import clean_texts

RAW = Path("data/raw")
STOP_WORDS = Path(__file__).parents[1] / "text" / "stopwords"
CLEAN = Path("data/clean/rows.parquet")
# part: "all", "train" or "test"; row: the number of the row in its raw file, from 1.
# context: more text of the row, which training learns from, and which is never classified.
SCHEMA = pa.schema([(name, pa.string()) for name in ("text", "context", "label", "part")] + [("row", pa.int64())])
DROP_REASONS = ("missing", "unknown_class", "empty_after_cleaning", "conflicting_label", "in_test", "duplicate")
FATES = pd.CategoricalDtype(("keep", *DROP_REASONS))
FEWEST_ROWS_OF_A_CLASS = 3  # one for each split
LONGEST_NAME_OF_A_CLASS = 200
PERCENTILES = (5, 25, 50, 75, 95, 99)


def main() -> None:
    params = read_text_params()
    cleaning = choose_cleaning(params.preprocess, params.data.dataset)
    sources = read_json(RAW / "sources.json")
    # Two passes, so that the texts are never all in memory. The first cleans, and remembers a few bytes of each row,
    # from which duplicates are found; the second copies the rows that are kept.
    with open_scratch(CLEAN) as folder:
        cleaned = folder / "cleaned.parquet"
        parts = clean_sources(sources, choose_layout(params.data), cleaning, cleaned)
        index = pa.concat_tables(parts).unify_dictionaries().to_pandas()
        fates = decide_fates(index)
        summary = summarize(index, fates, sources)
        check_summary(summary)
        copy_rows(cleaned, CLEAN, (fates == "keep").to_numpy())
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


def clean_sources(
    sources: list[dict[str, Any]], layout: Layout, cleaning: Cleaning, cleaned: Path
) -> Iterator[pa.Table]:
    """Write every row, cleaned, to `cleaned`; yield for each chunk the index that `decide_fates` needs."""
    with pq.ParquetWriter(cleaned, SCHEMA) as writer, tqdm(unit=" rows", desc="preprocess", disable=None) as progress:
        for source in sources:
            for raw in read_rows(RAW / source["name"], layout, source["part"]):
                rows, fates = clean_rows(raw, layout.class_names, cleaning)
                writer.write_table(pa.Table.from_pandas(rows, SCHEMA, preserve_index=False))
                progress.update(len(rows))
                yield index_rows(rows, fates)


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


def index_rows(rows: pd.DataFrame, fates: pd.Series) -> pa.Table:
    """Return what to remember of each row: a 64-bit hash of its text, its label, part, number of words and fate so far.

    Among a million rows, the probability that two different texts share a hash (SipHash) is 3 in 100 million. All that
    would happen is that one of them is dropped as a duplicate.
    """
    return pa.table(
        {
            "key": pd.util.hash_array(rows["text"].to_numpy(dtype=object), categorize=False),
            "label": pa.array(rows["label"], pa.string()).dictionary_encode(),
            "is_test": rows["part"] == "test",
            "words": (rows["text"].str.count(" ") + 1).astype(np.int32),
            "fate": fates,
        }
    )


def decide_fates(index: pd.DataFrame) -> pd.Series:
    """Return for each row "keep" or the reason to drop it, so that each text is kept once, with one label.

    Texts with several labels are dropped altogether. Of equal texts with one label the first is kept, or the one in an
    official test split; then the training rows with that text are dropped as "in_test".
    """
    fates = index["fate"].copy()
    rows = np.flatnonzero(fates == "keep")
    key, label, is_test = (column.to_numpy() for column in (index["key"], index["label"].cat.codes, index["is_test"]))
    # Sorting puts equal texts side by side; the first of them is kept.
    rows = rows[np.lexsort((~is_test[rows], key[rows]))]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = key[rows[1:]] != key[rows[:-1]]
    text = np.cumsum(first) - 1
    kept = rows[first][text]  # for each row, the one that is kept of its text
    conflicting = np.isin(text, text[label[rows] != label[kept]])
    fates.iloc[rows[~first]] = "duplicate"
    fates.iloc[rows[is_test[kept] & ~is_test[rows]]] = "in_test"
    fates.iloc[rows[conflicting]] = "conflicting_label"
    return fates


def summarize(index: pd.DataFrame, fates: pd.Series, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of metrics/data.json."""
    kept = index[fates == "keep"]
    words = kept["words"].to_numpy()
    percentiles = np.percentile(words, PERCENTILES) if len(words) else []
    return {
        "rows_in": len(index),
        "rows_out": len(kept),
        "dropped": {reason: int((fates == reason).sum()) for reason in DROP_REASONS},
        "classes": {str(name): int(count) for name, count in kept["label"].value_counts().items() if count},
        "words_per_text": {f"p{p:02d}": float(value) for p, value in zip(PERCENTILES, percentiles, strict=False)}
        | {"max": int(words.max(initial=0))},
        "sources": {source["part"]: {key: source[key] for key in ("bytes", "sha256")} for source in sources},
    }


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
