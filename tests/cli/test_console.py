"""Tables as they are printed."""

import csv
import io

import pytest

from unroll.cli.console import Format, print_table

COLUMNS, ROWS = ["name", "score"], [["a|b", "0.5 ± 0.1"], ["3rd [try]", "–"]]


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, ROWS, Format.TABLE)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines == ["name           score", "────────────────────", "a|b        0.5 ± 0.1", "3rd [try]          –"]


def test_a_table_for_documents(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, ROWS, Format.MARKDOWN)
    expected = ["| name | score |", "| --- | ---: |", "| a\\|b | 0.5 ± 0.1 |", "| 3rd [try] | – |"]
    assert capsys.readouterr().out.splitlines() == expected


def test_a_table_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, ROWS, Format.CSV)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [COLUMNS, *ROWS]


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [], Format.MARKDOWN)
    assert capsys.readouterr().out.splitlines() == ["| name | score |", "| --- | --- |"]
