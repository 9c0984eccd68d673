"""Tables in other encodings than UTF-8: the same rows as in UTF-8, and a guess where the encoding is a wrong one."""

import gzip
import re
import shutil
from pathlib import Path

import pytest

from unroll.base.errors import InputError
from unroll.data.decoding import guess_encoding
from unroll.data.tables import read_table
from workspaces import ROOT

TEXTS = {
    "gb18030": "列车晚点了一个小时。这家餐馆的汤太咸了。",
    "cp1251": "Сборная выиграла матч, а банк повысил ставку по вкладам.",
    "cp1252": "Die Heizung fällt ständig aus; bitte prüfen Sie die Rechnung für März.",
    "cp1250": "Vlak měl hodinu zpoždění, polévka byla příliš slaná.",
    "utf-16": "Vlak měl hodinu zpoždění 🚆, říká průvodčí.",
    "utf-16-le": "Vlak měl hodinu zpoždění 🚆, říká průvodčí.",
    "utf-32": "Vlak měl hodinu zpoždění 🚆, říká průvodčí.",
}


def make_table(text: str, rows: int = 30_000) -> str:
    """Return a table of two chunks whose rows are longer than a block of the reader, and not by a whole number."""
    return "text,label\r\n" + "".join(f'"{number}: ""{text}"" \r\n",x\r\n' for number in range(rows))


def read(path: Path, encoding: str) -> list[str]:
    return [text for chunk in read_table(path, ("text",), encoding=encoding) for text in chunk["text"]]


@pytest.mark.parametrize(
    ("encoding", "mark"), [(name, "") for name in TEXTS] + [(name, "\ufeff") for name in ("gb18030", "utf-16-le")]
)
def test_rows_are_those_of_the_same_table_in_utf_8(tmp_path: Path, encoding: str, mark: str) -> None:
    table = mark + make_table(TEXTS[encoding])
    (tmp_path / "a.csv").write_bytes(table.encode())
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(table.encode(encoding), 1))
    rows = read(tmp_path / "b.csv.gz", encoding)
    assert rows == read(tmp_path / "a.csv", "utf-8")
    assert len(rows) == 30_000 and rows[-1] == f'29999: "{TEXTS[encoding]}" \r\n'


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".csv.gz"])
def test_a_wrong_encoding_is_told_with_the_likely_one(tmp_path: Path, encoding: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    line = f'{{"text": "{TEXTS[encoding]}", "label": 1}}\n'
    content = (line * 9 if suffix == ".jsonl" else make_table(TEXTS[encoding], 9)).encode(encoding)
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    with pytest.raises(InputError) as caught:
        read(path, "utf-8")
    advice = f"; the file seems to be {encoding}: set data.encoding or --encoding to that, or save the file as UTF-8"
    assert str(caught.value).startswith(f"{path}, ") and str(caught.value).endswith(advice)


def test_the_message_in_the_docs_is_that_of_the_table_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "tables" / "windows.csv", "data/raw/all.csv")
    (message,) = re.findall(r"`(data/raw/all\.csv, row 1: [^`]*)`", (ROOT / "docs" / "data.md").read_text())
    with pytest.raises(InputError) as caught:
        list(read_table(Path("data/raw/all.csv"), ("Meldung", "Thema"), with_others=False))
    assert str(caught.value) == " ".join(message.split())


def test_a_large_file_is_guessed_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(make_table(TEXTS["gb18030"]).encode("gb18030"))
    assert guess_encoding(path) == "gb18030"


def test_a_wrong_byte_in_utf_8_does_not_make_it_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nCafé,x\nCafé und Käse,y\nNa".encode() + b"\xefve,x\n")
    with pytest.raises(InputError, match=r"a\.csv, row 3: byte 0xef is not UTF-8; save the file as UTF-8$"):
        read(path, "utf-8")


def test_what_is_not_in_the_chosen_encoding_is_told_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\nA,x\n\x81,y\n")
    with pytest.raises(InputError, match=r"a\.csv, row 2: byte 0x81 is not CP1252; "):
        read(path, "cp1252")
    path.write_bytes("text,label\nA,x\n".encode("utf-16")[:-1])
    with pytest.raises(InputError, match=r"a\.csv is not UTF-16 \(truncated data\); "):
        read(path, "utf-16")
