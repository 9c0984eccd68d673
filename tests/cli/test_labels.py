"""`unroll labels`, as a person runs it: it reads the training rows alone, and names rows of the file."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unroll.cli.main import main
from unroll.stages.preprocess import SCHEMA
from workspaces import ROOT

WORDS = ("shares fall", "cup final", "storm warning")
NAMES = ("Business", "Sports", "World")
WRONG = 31  # the number of a row about shares that is labelled Sports


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`unroll labels …` where there are parameters and training rows, and nothing else."""
    numbers = np.arange(60) * 10 + 1
    labels = [NAMES[number % 3] for number in range(60)]
    labels[3] = "Sports"
    texts = [f"{WORDS[number % 3]} {number}" for number in range(60)]
    texts[3] = "shares fall \x1b[31m"
    columns = {"text": texts, "context": [""] * 60, "label": labels, "part": ["all"] * 60, "row": numbers}
    (tmp_path / "data" / "splits").mkdir(parents=True)
    pq.write_table(pa.table(columns, SCHEMA), tmp_path / "data" / "splits" / "train.parquet")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["unroll", "labels", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        output = capsys.readouterr()
        return caught.value.code or 0, output.err or output.out

    return run_command


def test_a_wrong_label_is_told_by_the_number_of_its_row_though_there_are_training_rows_alone(run: Callable) -> None:
    code, told = run("--output", "labels.csv")
    assert code == 0
    header, _, row, *_ = told.strip().splitlines()
    assert header.split() == ["part", "row", "given", "p_given", "suggested", "p_suggested", "text"]
    part, number, given, _, suggested, _, text = row.split(maxsplit=6)
    assert (part, int(number), given, suggested) == ("all", WRONG, "Sports", "Business")
    assert text.strip() == r"shares fall \x1b[31m"
    assert "1 of 60 training rows may have a wrong label" in told and "1 rows written to labels.csv" in told
    with Path("labels.csv").open(newline="") as file:
        (written,) = csv.DictReader(file)
    assert (written["row"], written["given"], written["suggested"]) == (str(WRONG), "Sports", "Business")
    assert float(written["p_given"]) < float(written["p_suggested"])


def test_the_same_rows_give_the_same_bytes(run: Callable) -> None:
    assert run("--output", "labels.csv") == run("--output", "labels.csv")
    first = Path("labels.csv").read_bytes()
    run("--output", "again.csv", "--top", "1")
    assert Path("again.csv").read_bytes() == first


def test_mistakes_are_told_in_one_line(run: Callable) -> None:
    assert run("--output", "labels.txt") == (1, "error: --output labels.txt: expected a name that ends in .csv\n")
    few = "error: --folds 21: class 'Business' has 19 training rows, expected at least one for each fold\n"
    assert run("--folds", "21") == (1, few)
    Path("data/splits/train.parquet").unlink()
    missing = "error: data/splits/train.parquet is missing: `dvc repro` makes it, `dvc pull` fetches it\n"
    assert run() == (1, missing)
