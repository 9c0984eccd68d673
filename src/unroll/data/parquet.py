"""Parquet tables that are read and written a batch at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.base.files import replace_when_done

BATCH_ROWS = 20_000


def read_batches(path: Path, *columns: str) -> Iterator[pa.RecordBatch]:
    """Yield these columns of a table, or all of them, some thousand rows at a time."""
    # Arrow's buffer in advance would in the end hold the whole file.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=list(columns) or None)


def copy_rows(source: Path, target: Path, chosen: np.ndarray, emptied: dict[str, np.ndarray] | None = None) -> None:
    """Write the rows of `source` where `chosen` ([rows], bool) is true to `target`, in their order.

    Texts of the columns in `emptied` become empty where its [rows] bool are true.
    """
    first = 0
    with (
        replace_when_done(target) as temporary,
        pq.ParquetFile(source, pre_buffer=False) as file,
        pq.ParquetWriter(temporary, file.schema_arrow) as writer,
    ):
        for batch in file.iter_batches():
            rows = slice(first, first + len(batch))
            for column, where in (emptied or {}).items():
                texts = pc.if_else(pa.array(where[rows]), "", batch[column])
                batch = batch.set_column(batch.schema.get_field_index(column), column, texts)
            writer.write_batch(batch.filter(pa.array(chosen[rows])))
            first += len(batch)
