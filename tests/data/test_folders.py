"""Several files as one data set: which of a folder's they are, in which order, and how their rows are counted."""

import gzip
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from unroll.base.errors import InputError
from unroll.data.folders import list_files
from unroll.data.tables import SUFFIXES
from unroll.stages import download, preprocess
from workspaces import ROOT, Workspace, set_params


def prepare(folder: Path, monkeypatch: pytest.MonkeyPatch, **parameters: object) -> None:
    """Make `folder` the current one, with a params.yaml for tables of one's own."""
    monkeypatch.chdir(folder)
    shutil.copy(ROOT / "params.yaml", folder)
    set_params(Workspace(folder), "data", dataset="csv", **parameters)


def write_parts(folder: Path, encoding: str = "utf-8") -> None:
    """Write rows 1 to 3, 4 to 6 and 7 to 9 of three classes into three files."""
    folder.mkdir(parents=True)
    for number, name in enumerate(("part-10.jsonl", "part-2.jsonl.gz", "part-3.jsonl")):
        rows = [{"text": f"Row number {'abcdefghi'[3 * number + k]}", "label": k} for k in range(3)]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode(encoding)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (folder / ".hidden.csv").write_text("text,label\n")


def test_files_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b-1.csv", "b-10.csv.gz", "b-2.csv", "B-3.csv", ".c.csv"):
        (tmp_path / name).touch()
    (tmp_path / "d.parquet").mkdir()
    names = [Path(path).name for path in list_files(str(tmp_path), "*.csv*", SUFFIXES, "data.file")]
    assert names == ["B-3.csv", "b-1.csv", "b-10.csv.gz", "b-2.csv"]
    names = [Path(path).name for path in list_files(f"{tmp_path}/", "b-?.csv", SUFFIXES, "data.file")]
    assert names == ["b-1.csv", "b-2.csv"]
    with pytest.raises(InputError, match=r"has the folder 'd\.parquet' in it: expected files alone"):
        list_files(str(tmp_path), None, SUFFIXES, "data.file")


def test_the_rows_of_several_files_are_counted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(tmp_path / "my")
    prepare(tmp_path, monkeypatch, file="my")
    download.main()
    preprocess.main()
    names = ["all/part-10.jsonl", "all/part-2.jsonl.gz", "all/part-3.jsonl"]
    assert [source["name"] for source in json.loads(Path("data/raw/sources.json").read_text())] == names
    rows = pq.read_table("data/clean/rows.parquet").to_pylist()
    assert [(row["row"], row["text"]) for row in rows] == [(n + 1, f"row number {'abcdefghi'[n]}") for n in range(9)]
    assert {row["part"] for row in rows} == {"all"}
    summary = json.loads(Path("metrics/data.json").read_text())
    assert list(summary["sources"]) == names and summary["rows_in"] == 9


def test_a_folder_has_training_rows_and_a_file_the_test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(tmp_path / "my", "utf-16")
    (tmp_path / "test.csv").write_text("label,text\n0,Another\n1,One more\n2,The last\n", "utf-16")
    prepare(tmp_path, monkeypatch, file="my", pattern="part-?.*", test_file="test.csv", encoding="utf-16")
    download.main()
    preprocess.main()
    rows = pq.read_table("data/clean/rows.parquet").to_pylist()
    parts = [(row["part"], row["row"]) for row in rows]
    assert parts == [("train", number) for number in range(1, 7)] + [("test", number) for number in range(1, 4)]
    assert {path.name for path in Path("data/raw").iterdir()} == {"sources.json", "train", "test.csv"}
    assert set(json.loads(Path("metrics/data.json").read_text())["sources"]) == {
        "test",
        "train/part-2.jsonl.gz",
        "train/part-3.jsonl",
    }
