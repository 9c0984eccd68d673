"""Parquet tables that are read and written a batch at a time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.files import replace_when_done


def hash_column(path: Path, column: str) -> np.ndarray:
    """Return a 64-bit hash of each text of a column, [rows] uint64; equal texts have equal hashes, on any machine."""
    with pq.ParquetFile(path) as file:
        batches = [batch[column].to_numpy(zero_copy_only=False) for batch in file.iter_batches(columns=[column])]
    return np.concatenate([pd.util.hash_array(texts, categorize=False) for texts in batches])


def copy_rows(source: Path, target: Path, chosen: np.ndarray, emptied: dict[str, np.ndarray] | None = None) -> None:
    """Write the rows of `source` where `chosen` ([rows], bool) is true to `target`, in their order.

    Texts of the columns in `emptied` become empty where its [rows] bool are true.
    """
    first = 0
    with (
        replace_when_done(target) as temporary,
        pq.ParquetFile(source) as file,
        pq.ParquetWriter(temporary, file.schema_arrow) as writer,
    ):
        for batch in file.iter_batches():
            rows = slice(first, first + len(batch))
            for column, where in (emptied or {}).items():
                texts = pc.if_else(pa.array(where[rows]), "", batch[column])
                batch = batch.set_column(batch.schema.get_field_index(column), column, texts)
            writer.write_batch(batch.filter(pa.array(chosen[rows])))
            first += len(batch)
