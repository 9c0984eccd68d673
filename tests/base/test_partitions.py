"""Records in files by their keys."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from unroll.base.partitions import PARTITIONS, Partitions, hash_texts

RECORD = np.dtype([("key", "u8"), ("number", "i8")])


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9))))
def test_all_records_come_back_equal_keys_together_and_in_order(batches: list[list[int]]) -> None:
    number = 0
    with TemporaryDirectory() as name, Partitions(Path(name, "records"), RECORD) as partitions:
        for keys in batches:
            records = np.array([(key, number + place) for place, key in enumerate(keys)], RECORD)
            partitions.add(records)
            number += len(keys)
        files = [records.tolist() for records in partitions.read()]
    assert len(files) == PARTITIONS
    keys = [key for batch in batches for key in batch]
    assert sorted(record for records in files for record in records) == sorted(zip(keys, range(number), strict=True))
    sets = [{key for key, _ in records} for records in files]
    assert sum(map(len, sets)) == len(set(keys))
    for records in files:
        assert [place for _, place in records] == sorted(place for _, place in records)


def test_hashes_of_texts_are_the_same_for_ever() -> None:
    """Else a split by hashes, or which of two equal rows is kept, could change from version to version."""
    hashes = hash_texts(pa.array(["shares fall", "zwölf 東京 teams", ""])).tolist()
    assert hashes == [10996474283037966257, 1698380923669136599, 1760245841805064774]
