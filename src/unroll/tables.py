"""Parquet tables that are read and written a batch at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unroll.files import replace_when_done

BATCH_ROWS = 20_000


def read_batches(path: Path, *columns: str) -> Iterator[pa.RecordBatch]:
    """Yield these columns of a table, or all of them, some thousand rows at a time."""
    # Arrow's buffer in advance would in the end hold the whole file.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=list(columns) or None)


def copy_rows(source: Path, target: Path, chosen: np.ndarray) -> None:
    """Write the rows of `source` where `chosen` ([rows], bool) is true to `target`, in their order."""
    first = 0
    with (
        replace_when_done(target) as temporary,
        pq.ParquetFile(source, pre_buffer=False) as file,
        pq.ParquetWriter(temporary, file.schema_arrow) as writer,
    ):
        for batch in file.iter_batches():
            writer.write_batch(batch.filter(pa.array(chosen[first : first + len(batch)])))
            first += len(batch)
