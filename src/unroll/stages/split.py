"""data/clean/ → data/splits/: every row in exactly one of training, validation and test; contexts in training alone."""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.base.errors import InputError
from unroll.base.files import replace_when_done
from unroll.base.process import run_stage
from unroll.data.parquet import EXCERPTS, copy_rows, read_record_batches
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import SplitParams, read_text_params

CLEAN = Path("data/clean/rows.parquet")
SPLITS = Path("data/splits")


def main() -> None:
    params = read_text_params().split
    labels, class_names, is_test = read_labels()
    if params.method == "hash":
        rows = chain.from_iterable(batch["text"].to_pylist() for batch in read_record_batches(CLEAN, "text"))
        splits = assign_by_text(place_texts(rows, params.seed), labels, class_names, is_test, params)
    else:
        splits = assign_splits(labels, class_names, is_test, params)
    texts = hash_column(CLEAN, "text")
    withheld = withhold_contexts(hash_column(CLEAN, "context"), texts, splits)
    for number, name in enumerate(SPLIT_NAMES):
        copy_rows(CLEAN, SPLITS / f"{name}.parquet", splits == number, {"context": withheld})
    write_excerpts(params.context_words, texts[splits != SPLIT_NAMES.index("train")])
    sizes = ", ".join(f"{name} {(splits == number).sum():,}" for number, name in enumerate(SPLIT_NAMES))
    print(f"split: {sizes}{' (official test split kept)' if is_test.any() else ''}")


def read_labels() -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return each row's class as a number ([rows], int64), the sorted class names, and `is_test` ([rows], bool).

    Strings are read dictionary-encoded: a string for each row would take most of this stage's memory and time.
    """
    with pq.ParquetFile(CLEAN, read_dictionary=["label", "part"], pre_buffer=False) as file:
        table = file.read(["label", "part"]).unify_dictionaries().combine_chunks()
    labels = table["label"].chunk(0)
    class_names, numbers = np.unique(labels.dictionary.to_pylist(), return_inverse=True)
    return numbers[labels.indices], class_names.tolist(), pc.equal(table["part"], "test").to_numpy()


def assign_splits(labels: np.ndarray, class_names: list[str], is_test: np.ndarray, params: SplitParams) -> np.ndarray:
    """Return the number of each row's split in `SPLIT_NAMES`; [rows], int8.

    Each class is shuffled and cut by itself. So a class's share in every split is exact to one row, and a class of
    three rows has one in each, which scikit-learn's stratified splitters do not promise. If `is_test` ([rows], bool)
    marks rows of an official test split, those are the test split and the others are cut in two. labels: [rows],
    indices into the sorted `class_names`.

    Raises:
        InputError: a class has too few rows to stand in every split.
    """
    splits = np.full(len(labels), SPLIT_NAMES.index("test"), dtype=np.int8)
    shares = choose_shares(is_test, params)
    rows_to_split = np.flatnonzero(~is_test)
    by_class = rows_to_split[np.argsort(labels[rows_to_split], kind="stable")]
    ends_of_classes = np.cumsum(np.bincount(labels[rows_to_split], minlength=len(class_names)))
    for number, rows in enumerate(np.split(by_class, ends_of_classes[:-1])):
        if len(rows) < len(shares):
            raise InputError(
                f"{CLEAN}: class {class_names[number]!r} has {len(rows)} rows to split {len(shares)} ways, "
                f"expected at least {len(shares)}"
            )
        shuffled = np.random.default_rng([params.seed, number]).permutation(rows)
        ends = np.cumsum(apportion(len(rows), shares))
        for split, part in enumerate(np.split(shuffled, ends[:-1])):
            splits[part] = split
    return splits


def assign_by_text(
    places: np.ndarray, labels: np.ndarray, class_names: list[str], is_test: np.ndarray, params: SplitParams
) -> np.ndarray:
    """Return the number of each row's split in `SPLIT_NAMES`, decided by its text's place alone; [rows], int8.

    So other rows, their order and their classes never move a row to another split; shares hold only in expectation.
    places: [rows] float64, see `place_texts`; the rest: as in `assign_splits`.

    Raises:
        InputError: a class has no row in one of the splits.
    """
    shares = choose_shares(is_test, params)
    ends = np.cumsum(shares) / sum(shares)
    splits = np.searchsorted(ends[:-1], places, side="right").astype(np.int8)
    splits[is_test] = SPLIT_NAMES.index("test")
    for split, name in enumerate(SPLIT_NAMES[: len(shares)]):
        counts = np.bincount(labels[splits == split], minlength=len(class_names))
        if counts.min() == 0:
            number = counts.argmin()
            rows = np.count_nonzero(labels[~is_test] == number)
            raise InputError(
                f"{CLEAN}: class {class_names[number]!r} has none of its {rows} rows in {name} with split.method = "
                "'hash': expected at least one; add rows, or use split.method = random"
            )
    return splits


def place_texts(texts: Iterable[str], seed: int) -> np.ndarray:
    """Return for each text a number from 0 up to 1 that depends only on text and seed, [rows] float64.

    It comes from BLAKE2b (RFC 7693) with the seed as key, so it is the same on every machine and in every version.
    """
    key = seed.to_bytes(8, "little")
    digests = b"".join(blake2b(text.encode(), digest_size=8, key=key).digest() for text in texts)
    return (np.frombuffer(digests, dtype="<u8") >> 11) * 2.0**-53  # 53 bits, which a float64 holds exactly


def choose_shares(is_test: np.ndarray, params: SplitParams) -> list[float]:
    """Return the shares of the splits to cut: without test, if there is an official one."""
    return [params.train, params.val] if is_test.any() else [params.train, params.val, params.test]


def hash_column(path: Path, column: str) -> np.ndarray:
    """Return a 64-bit hash of each text of a column, [rows] uint64; equal texts have equal hashes, on any machine."""
    return np.concatenate([hash_texts(batch[column]) for batch in read_record_batches(path, column)])


def hash_texts(texts: pa.StringArray) -> np.ndarray:
    """Return a 64-bit hash of each text, [rows] uint64."""
    return pd.util.hash_array(texts.to_numpy(zero_copy_only=False), categorize=False)


def withhold_contexts(contexts: np.ndarray, texts: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Return which contexts must not be learned from, [rows] bool: nothing of validation and test may be seen.

    These are the contexts of validation and test rows, and training contexts that also occur there.
    contexts, texts: [rows] uint64, their hashes; splits: [rows], numbers in `SPLIT_NAMES`.
    """
    held_out = splits != SPLIT_NAMES.index("train")
    return held_out | np.isin(contexts, np.concatenate([contexts[held_out], texts[held_out]]))


def write_excerpts(words: int, held_out: np.ndarray) -> None:
    """Write the first words of each training context, with its row's label: a further text to learn the class from.

    None of them is a text of validation or test, whose hashes are `held_out` ([texts] uint64).
    """
    schema = pa.schema([("text", pa.string()), ("label", pa.string())])
    with replace_when_done(SPLITS / EXCERPTS) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for batch in read_record_batches(SPLITS / "train.parquet", "context", "label") if words else ():
            texts = pc.binary_join(pc.list_slice(pc.split_pattern(batch["context"], " "), 0, words), " ")
            is_new = ~np.isin(hash_texts(texts), held_out)
            excerpts = pa.RecordBatch.from_arrays([texts, batch["label"]], schema=schema)
            writer.write_batch(excerpts.filter(pc.and_(pc.not_equal(texts, ""), pa.array(is_new))))


def apportion(rows: int, shares: list[float]) -> np.ndarray:
    """Divide `rows` in proportion to `shares` by largest remainder, at least one for each; [len(shares)], int64."""
    exact = rows * np.array(shares) / sum(shares)
    counts = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(counts - exact, kind="stable")
    counts[largest_remainders[: rows - counts.sum()]] += 1
    while counts.min() == 0:
        counts[counts.argmin()] += 1
        counts[counts.argmax()] -= 1
    return counts


if __name__ == "__main__":
    run_stage(main)
