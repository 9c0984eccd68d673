"""The stages' own parquet tables, read and written a batch at a time.

Each batch is written as a row group, and no batch is read from two groups. So if the reader of the raw files takes
fewer rows at a time, because they are long, all later stages do so, too.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.base.files import replace_when_done

BATCH_ROWS = 20_000
EXCERPTS = "excerpts.parquet"  # beside the splits: further training texts, with their labels


def read_record_batches(path: Path, *columns: str) -> Iterator[pa.RecordBatch]:
    """Yield these columns of a table, or all of them, some thousand rows at a time."""
    # With pre-buffering, Arrow would end up holding the whole file.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            yield from file.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(columns) or None)


def count_rows(path: Path) -> int:
    return pq.read_metadata(path).num_rows


def read_split(folder: Path, split: str, *columns: str) -> Iterator[pa.RecordBatch]:
    """Yield the texts that a split is learned from or tested on; training texts are followed by excerpts of contexts.

    columns: text, label or both.
    """
    yield from read_record_batches(folder / f"{split}.parquet", *columns)
    if split == "train":
        yield from read_record_batches(folder / EXCERPTS, *columns)


def copy_rows(
    source: Path, target: Path, marks: np.ndarray, mark: int = True, emptied: dict[str, np.ndarray] | None = None
) -> None:
    """Write the rows of `source` that have this mark to `target`, in their order.

    marks: [rows], numbers or bool. Texts of the columns in `emptied` become empty where its [rows] bool are true.
    """
    first = 0
    with (
        replace_when_done(target) as temporary,
        pq.ParquetWriter(temporary, pq.read_schema(source)) as writer,
    ):
        for batch in read_record_batches(source):
            rows = slice(first, first + len(batch))
            for column, where in (emptied or {}).items():
                texts = pc.if_else(pa.array(where[rows]), "", batch[column])
                batch = batch.set_column(batch.schema.get_field_index(column), column, texts)
            writer.write_batch(batch.filter(pa.array(marks[rows] == mark)))
            first += len(batch)
