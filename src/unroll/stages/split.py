"""data/clean/ → data/splits/: every row in exactly one of training, validation and test; contexts in training alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.base.errors import InputError
from unroll.base.files import open_scratch, replace_when_done
from unroll.base.partitions import Partitions, hash_texts
from unroll.base.parts import Workers, open_workers
from unroll.base.process import run_stage
from unroll.data.parquet import EXCERPTS, copy_rows, count_rows, read_record_batches
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import SplitParams, read_text_params

CLEAN = Path("data/clean/rows.parquet")
SPLITS = Path("data/splits")
EXCERPT = pa.schema([("text", pa.string()), ("label", pa.string())])
SEEN = np.dtype([("key", "u8"), ("number", "i8")])
HELD_OUT = -1  # the number of a text of validation or test
EMPTY = hash_texts(pa.array([""]))[0]


def main() -> None:
    params = read_text_params().split
    is_official = has_official_test()
    shares = choose_shares(is_official, params)
    with open_scratch(SPLITS / "train.parquet") as folder, open_workers() as workers:
        if params.method == "hash":
            splits = assign_by_text(folder / "splits", shares, params.seed, workers)
        else:
            splits = assign_splits(*read_labels(), shares, params.seed)
        withheld = withhold_contexts(folder, splits, workers)
        for number, name in enumerate(SPLIT_NAMES):
            copy_rows(CLEAN, SPLITS / f"{name}.parquet", splits, number, {"context": withheld})
        write_excerpts(params.context_words, folder)
    sizes = ", ".join(f"{name} {count_rows(SPLITS / f'{name}.parquet'):,}" for name in SPLIT_NAMES)
    print(f"split: {sizes}{' (official test split kept)' if is_official else ''}")


def has_official_test() -> bool:
    return any(pc.any(pc.equal(batch["part"], "test")).as_py() for batch in read_record_batches(CLEAN, "part"))


def choose_shares(is_official: bool, params: SplitParams) -> list[float]:
    """Return the shares of the splits to cut: without test, if there is an official one."""
    return [params.train, params.val] if is_official else [params.train, params.val, params.test]


def read_labels() -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return each row's class as a number ([rows], int64), the sorted class names, and `is_test` ([rows], bool).

    Strings are read dictionary-encoded: a string for each row would take most of this stage's memory and time.
    """
    with pq.ParquetFile(CLEAN, read_dictionary=["label", "part"], pre_buffer=False) as file:
        table = file.read(["label", "part"]).unify_dictionaries().combine_chunks()
    labels = table["label"].chunk(0)
    class_names, numbers = np.unique(labels.dictionary.to_pylist(), return_inverse=True)
    return numbers[labels.indices], class_names.tolist(), pc.equal(table["part"], "test").to_numpy()


def assign_splits(
    labels: np.ndarray, class_names: list[str], is_test: np.ndarray, shares: list[float], seed: int
) -> np.ndarray:
    """Return the number of each row's split in `SPLIT_NAMES`; [rows], int8.

    Each class is shuffled and cut by itself. So a class's share in every split is exact to one row, and a class of
    three rows has one in each, which scikit-learn's stratified splitters do not promise. If `is_test` ([rows], bool)
    marks rows of an official test split, those are the test split and the others are cut in two. labels: [rows],
    indices into the sorted `class_names`.

    Raises:
        InputError: a class has too few rows to stand in every split.
    """
    splits = np.full(len(labels), SPLIT_NAMES.index("test"), dtype=np.int8)
    rows_to_split = np.flatnonzero(~is_test)
    by_class = rows_to_split[np.argsort(labels[rows_to_split], kind="stable")]
    ends_of_classes = np.cumsum(np.bincount(labels[rows_to_split], minlength=len(class_names)))
    for number, rows in enumerate(np.split(by_class, ends_of_classes[:-1])):
        if len(rows) < len(shares):
            raise InputError(
                f"{CLEAN}: class {class_names[number]!r} has {len(rows)} rows to split {len(shares)} ways, "
                f"expected at least {len(shares)}"
            )
        shuffled = np.random.default_rng([seed, number]).permutation(rows)
        ends = np.cumsum(apportion(len(rows), shares))
        for split, part in enumerate(np.split(shuffled, ends[:-1])):
            splits[part] = split
    return splits


def assign_by_text(file: Path, shares: list[float], seed: int, workers: Workers) -> np.ndarray:
    """Return the number of each row's split in `SPLIT_NAMES`, decided by its text alone; [rows], int8.

    So other rows, their order and their classes never move a row to another split; shares hold only in expectation.
    The result is mapped into memory from `file`.

    Raises:
        InputError: a class has no row in one of the splits.
    """
    counts: Counter[tuple[str, int]] = Counter()
    with file.open("wb") as written:
        batches = read_record_batches(CLEAN, "text", "label", "part")
        for splits, found in workers.map(partial(place_part, shares=shares, seed=seed), batches):
            written.write(splits.tobytes())
            counts += found
    check_classes(counts, len(shares))
    return np.memmap(file, np.int8)


def place_part(batch: pa.RecordBatch, shares: list[float], seed: int) -> tuple[np.ndarray, Counter[tuple[str, int]]]:
    """Return the number of each row's split, [rows] int8, and how many rows of each class that puts into each split.

    batch: with text, label and part. Rows of an official test split are counted under no split of these.
    """
    is_test = pc.equal(batch["part"], "test").to_numpy(zero_copy_only=False)
    ends = np.cumsum(shares) / sum(shares)
    splits = np.searchsorted(ends[:-1], place_texts(batch["text"].to_pylist(), seed), side="right").astype(np.int8)
    counts = Counter(zip(batch["label"].to_pylist(), np.where(is_test, -1, splits).tolist(), strict=True))
    splits[is_test] = SPLIT_NAMES.index("test")
    return splits, counts


def check_classes(counts: Mapping[tuple[str, int], int], splits: int) -> None:
    """Raise InputError if a class has no row in one of the first splits; counts: rows by class and split."""
    for split in range(splits):
        for name in sorted({name for name, _ in counts}):
            if not counts.get((name, split)):
                rows = sum(counts.get((name, other), 0) for other in range(splits))
                raise InputError(
                    f"{CLEAN}: class {name!r} has none of its {rows} rows in {SPLIT_NAMES[split]} with split.method = "
                    "'hash': expected at least one; add rows, or use split.method = random"
                )


def place_texts(texts: Iterable[str], seed: int) -> np.ndarray:
    """Return for each text a number from 0 up to 1 that depends only on text and seed, [rows] float64.

    It comes from BLAKE2b (RFC 7693) with the seed as key, so it is the same on every machine and in every version.
    """
    key = seed.to_bytes(8, "little")
    digests = b"".join(blake2b(text.encode(), digest_size=8, key=key).digest() for text in texts)
    return (np.frombuffer(digests, dtype="<u8") >> 11) * 2.0**-53  # 53 bits, which a float64 holds exactly


def withhold_contexts(folder: Path, splits: np.ndarray, workers: Workers) -> np.ndarray:
    """Return which contexts must not be learned from, [rows] bool: nothing of validation and test may be seen.

    These are the contexts of validation and test rows, and training contexts that also occur there, as one or as a
    text. splits: [rows], numbers in `SPLIT_NAMES`.
    """
    withheld = np.memmap(folder / "withheld", bool, mode="w+", shape=splits.shape)

    def list_keys() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        first = 0
        for texts, contexts in workers.map(hash_part, read_record_batches(CLEAN, "text", "context")):
            numbers = np.arange(first, first + len(texts))
            withheld[numbers] = held_out = splits[numbers] != SPLIT_NAMES.index("train")
            numbers[held_out] = HELD_OUT
            yield texts[held_out], numbers[held_out]
            yield contexts, numbers
            first += len(texts)

    for numbers in find_seen(folder / "contexts", list_keys()):
        withheld[numbers] = True
    return withheld


def hash_part(batch: pa.RecordBatch) -> tuple[np.ndarray, ...]:
    """Return the hashes of each column's texts, [rows] uint64."""
    return tuple(map(hash_texts, batch.columns))


def find_seen(folder: Path, keys: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
    """Yield the numbers of those texts that are held out, too; only a part of all texts is in memory at a time.

    keys: the texts' hashes ([texts] uint64) and numbers ([texts] int64), of those held out `HELD_OUT`.
    """
    with Partitions(folder, SEEN) as partitions:
        for hashes, numbers in keys:
            records = np.empty(len(hashes), SEEN)
            records["key"], records["number"] = hashes, numbers
            partitions.add(records[hashes != EMPTY])
        for records in partitions.read():
            held_out = records["number"] == HELD_OUT
            yield records["number"][~held_out & np.isin(records["key"], records["key"][held_out])]


def write_excerpts(words: int, folder: Path) -> None:
    """Write the first words of each training context, with its row's label: a further text to learn the class from.

    None of them is a text of validation or test.
    """

    def list_keys() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name in ("val", "test"):
            for batch in read_record_batches(SPLITS / f"{name}.parquet", "text"):
                yield hash_texts(batch["text"]), np.full(len(batch), HELD_OUT)
        first = 0
        for batch in cut_contexts(words):
            yield hash_texts(batch["text"]), np.arange(first, first + len(batch))
            first += len(batch)

    is_seen = np.memmap(folder / "seen", bool, mode="w+", shape=count_rows(SPLITS / "train.parquet"))
    for numbers in find_seen(folder / "excerpts", list_keys() if words else ()):
        is_seen[numbers] = True
    first = 0
    with replace_when_done(SPLITS / EXCERPTS) as temporary, pq.ParquetWriter(temporary, EXCERPT) as writer:
        for batch in cut_contexts(words) if words else ():
            is_new = ~is_seen[first : first + len(batch)]
            writer.write_batch(batch.filter(pc.and_(pc.not_equal(batch["text"], ""), pa.array(is_new))))
            first += len(batch)


def cut_contexts(words: int) -> Iterator[pa.RecordBatch]:
    """Yield the first words of each training context as `text`, with the `label`."""
    for batch in read_record_batches(SPLITS / "train.parquet", "context", "label"):
        texts = pc.binary_join(pc.list_slice(pc.split_pattern(batch["context"], " "), 0, words), " ")
        yield pa.RecordBatch.from_arrays([texts, batch["label"]], schema=EXCERPT)


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
