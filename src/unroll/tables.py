"""Parquet tables that are read and written a batch at a time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unroll.files import replace_when_done


def copy_rows(source: Path, target: Path, chosen: np.ndarray) -> None:
    """Write the rows of `source` where `chosen` ([rows], bool) is true to `target`, in their order."""
    first = 0
    with (
        replace_when_done(target) as temporary,
        pq.ParquetFile(source) as file,
        pq.ParquetWriter(temporary, file.schema_arrow) as writer,
    ):
        for batch in file.iter_batches():
            writer.write_batch(batch.filter(pa.array(chosen[first : first + len(batch)])))
            first += len(batch)
