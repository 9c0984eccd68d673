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
