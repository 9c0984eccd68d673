"""The most frequent words or characters of texts that may be too many for memory."""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from unroll.base.partitions import PARTITIONS, divide, hash_texts

COUNTS = pa.schema([("token", pa.string()), ("count", pa.int64())])


def count_tokens(columns: Iterable[pa.StringArray], by_character: bool) -> pa.RecordBatch:
    """Return how often each word, or each character, occurs in cleaned texts: a row of `COUNTS` for each."""
    counts: Counter[str] = Counter()
    for texts in columns:
        if by_character:
            counts.update("".join(texts.to_pylist()))
        else:
            found = pc.split_pattern(texts, " ").flatten().value_counts()
            counts.update(dict(zip(*(found.field(name).to_pylist() for name in ("values", "counts")), strict=True)))
    del counts[""]  # the one word of an empty text
    return pa.RecordBatch.from_arrays([list(counts), list(counts.values())], schema=COUNTS)


def find_most_frequent(parts: Iterable[pa.RecordBatch], folder: Path, most: int, least: int) -> list[str]:
    """Return the `most` frequent tokens that occur `least` times: by falling frequency, and then by their bytes.

    parts: what `count_tokens` says about each part of the texts. It goes to files in `folder`, by tokens, and only one
    file is in memory at a time.
    """
    paths = [folder / f"{number:02d}.arrow" for number in range(PARTITIONS)]
    folder.mkdir()
    with ExitStack() as stack:
        writers = [stack.enter_context(pa.ipc.new_stream(path, COUNTS)) for path in paths]
        for counts in parts:
            for number, rows in divide(hash_texts(counts["token"])):
                writers[number].write_batch(counts.take(pa.array(rows)))
    found = COUNTS.empty_table()
    for path in paths:
        found = _take_most(pa.concat_tables([found, _add_counts(path)]), most, least)
    return found["token"].to_pylist()


def _add_counts(path: Path) -> pa.Table:
    with pa.ipc.open_stream(path) as reader:
        table = reader.read_all()
    summed = table.group_by("token").aggregate([("count", "sum")]).rename_columns({"count_sum": "count"})
    return summed.select(COUNTS.names)


def _take_most(counts: pa.Table, most: int, least: int) -> pa.Table:
    frequent = counts.filter(pc.field("count") >= least)
    return frequent.sort_by([("count", "descending"), ("token", "ascending")]).slice(0, most)
