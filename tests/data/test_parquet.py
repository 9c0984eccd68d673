"""Tables that are read a batch at a time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unroll.data.parquet import copy_rows, read_record_batches
from unroll.data.tables import read_table

ROWS, MEGABYTE = 100_000, 2**20


def write_table(path: Path) -> pa.Table:
    """Write a table of about 40 MB in several row groups."""
    numbers = np.random.default_rng(1).integers(0, 10**18, size=(20, ROWS))
    table = pa.table({"row": range(ROWS), "text": [" ".join(map(str, row)) for row in numbers.T]})
    pq.write_table(table, path, row_group_size=5000)
    return table


def test_no_more_than_a_few_batches_are_ever_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_table(path)
    before = pa.total_allocated_bytes()
    for batches in (read_record_batches(path), read_table(path, ("text",))):
        held = [pa.total_allocated_bytes() - before for _ in batches]
        assert len(held) > 4
        assert max(held) < 25 * MEGABYTE < path.stat().st_size


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2], "c": [3]}), path)
    assert [batch.to_pylist() for batch in read_record_batches(path, "c", "a")] == [[{"c": 3, "a": 1}]]


def test_the_chosen_rows_are_copied_in_their_order(tmp_path: Path) -> None:
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    table = write_table(source)
    chosen = np.random.default_rng(2).random(ROWS) < 0.3
    copy_rows(source, target, chosen)
    assert pq.read_table(target).equals(table.filter(pa.array(chosen)))


def test_what_was_written_in_small_pieces_is_read_and_copied_in_them(tmp_path: Path) -> None:
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    pq.write_table(pa.table({"row": range(10)}), source, row_group_size=4)
    copy_rows(source, target, np.arange(10) != 5)
    assert [len(batch) for batch in read_record_batches(source)] == [4, 4, 2]
    assert [len(batch) for batch in read_record_batches(target)] == [4, 3, 2]
