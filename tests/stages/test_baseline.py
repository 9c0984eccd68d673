"""The stage of the linear baseline on texts that are too long for it."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unroll.evaluation import baseline as module
from unroll.stages import baseline
from workspaces import ROOT


@pytest.mark.parametrize(("characters", "is_cut"), [(10_000, False), (120, True)])
def test_long_texts_are_cut_with_a_warning(
    characters: int, is_cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What tells the classes apart stands at the end of the long texts, so a cut baseline cannot know it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "CHARACTERS", characters)
    params = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("enabled: true", "enabled: false"))
    Path("data/splits").mkdir(parents=True)
    table = {"text": ["word " * 10 + name for name in ("shares", "cup") * 3], "label": ["x", "y"] * 3}
    for split in ("train", "val", "test"):
        pq.write_table(pa.table(table), f"data/splits/{split}.parquet")
    baseline.main()
    warning = capsys.readouterr().err
    assert ("reads the first 20 characters of each" in warning) == is_cut and bool(warning) == is_cut
    accuracy = json.loads(Path("metrics/baseline.json").read_text())["accuracy"]
    assert accuracy == (0.5 if is_cut else 1)
