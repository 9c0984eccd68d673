"""The stage of the linear classifier on more text than it reads all of."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unroll.linear import fit
from unroll.stages import baseline
from workspaces import ROOT


@pytest.mark.parametrize(("length", "is_told"), [(10_000, False), (10, True)])
def test_what_is_left_out_of_much_text_is_told(
    length: int, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit, "LENGTH", length)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text().replace("enabled: true", "enabled: false"))
    for folder in ("data/splits", "models"):
        Path(folder).mkdir(parents=True)
    for name in baseline.SHARED:
        Path("models", name).write_text('["x", "y"]')
    table = pa.table({"text": ["shares fall", "cup final"] * 3, "label": ["x", "y"] * 3})
    for split in ("train", "excerpts", "val", "test"):
        pq.write_table(table, f"data/splits/{split}.parquet")
    baseline.main()
    assert ("no characters inside words" in capsys.readouterr().out) == is_told


def test_of_very_many_rows_some_of_every_class_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/splits").mkdir(parents=True)
    table = pa.table({"text": [f"text {number}" for number in range(10)], "label": ["x"] * 8 + ["y", "x"]})
    for name, rows in (("train", table), ("excerpts", table.slice(0, 1))):
        pq.write_table(rows, f"data/splits/{name}.parquet", row_group_size=4)
    texts, labels = baseline.read_rows("train", 6, most=3)
    assert texts == ["text 0", "text 4", "text 8"] and labels == ["x", "x", "y"]
    assert "baseline: only every 4th of the 11 train texts" in capsys.readouterr().out
    assert baseline.read_rows("train", 6, most=2)[1] == ["x", "x", "y"]  # rows 0 and 6, and the first "y"
    assert len(baseline.read_rows("train", 6, most=11)[0]) == len(baseline.read_rows("train", 6, None)[0]) == 11
