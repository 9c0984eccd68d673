"""Tables with a JSON object on each line: what becomes of the values, and the line that is named where one is wrong."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.data import decoding
from unroll.data.datasets import Layout, read_rows
from unroll.data.tables import read_table

LAYOUT = Layout(None, ("text",), ("lead",), "label", None)
VALUES = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=6)


def write(path: Path, *lines: str) -> Path:
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "A.JSONL"])
def test_values_become_text_as_json_writes_them(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / name,
        '{"id": {"nested": []}, "label": 1, "text": "Café \\ud83d\\ude80", "lead": ""}',
        "",
        '{"text": "NaN", "lead": null, "label": true}\r',
        '{"text": 1.50, "lead": "é", "label": ' + "9" * 4000 + "}",
        '{"text": NaN, "lead": false, "label": null, "text ": "another"}',
    )
    (chunk,) = read_rows(path, LAYOUT)
    assert chunk[["text", "context", "label", "row"]].to_numpy().tolist() == [
        ["Café 🚀", "", "1", 1],
        ["NaN", "", "true", 2],
        ["1.5", "é", "9" * 4000, 3],
        ["", "false", "", 4],
    ]


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1), st.booleans())
def test_what_python_writes_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple], escaped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    write(path, *(json.dumps({"text": text, "label": label}, ensure_ascii=escaped) for text, label in rows))
    (chunk,) = read_table(path, ("text",))
    texts = [
        ["" if value is None else value if isinstance(value, str) else json.dumps(value) for value in row]
        for row in rows
    ]
    assert chunk.to_numpy().tolist() == texts and list(chunk) == ["text", "label"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"text": "A", "label": 1}', '{"text": "B"}'], "line 2 has no field 'label': its fields are text"),
        (["{}"], "line 1 has no field 'text': its fields are none"),
        (['{"text": ["A"], "label": 1}'], "line 1: field 'text' is a list: expected a text, a number, true, false"),
        (['{"text": "A", "label": {}}'], "line 1: field 'label' is an object: expected a text, a number, true, false"),
        (["", '{"text": "A", "label": 1'], "line 2 is not JSON (Expecting ',' delimiter): expected an object on each"),
        (['{"text": "A", "label": ' + "9" * 5000 + "}"], "line 1 is not JSON (Exceeds the limit (4300 digits)"),
        (["7"], "line 1 is no object: expected one on each line"),
        (['{"text": "\\ud800", "label": 1}'], "line 1 has half a pair of surrogates"),
        (['{"text": "A", "label": 1, "more\\udce9": 1}'], "line 1 has half a pair of surrogates"),
    ],
)
def test_wrong_lines(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        list(read_table(write(tmp_path / "a.jsonl", *lines), ("text", "label"), with_others=False))
    assert str(caught.value).startswith(f"{tmp_path / 'a.jsonl'}, {message}")


def test_bulk_prediction_keeps_the_fields_of_the_first_object(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 7, "text": "A", "tags": ["é", {"n": 1.5}]}', '{"text": "B"}')
    (chunk,) = read_table(path, ("text",))
    assert chunk.to_dict("list") == {"id": ["7", ""], "text": ["A", "B"], "tags": ['["é", {"n": 1.5}]', ""]}
    with pytest.raises(InputError, match="line 3 has a field 'more' that the first line lacks"):
        list(read_table(write(path, '{"text": "A"}', '{"text": "B"}', '{"more": 1, "text": "C"}'), ("text",)))


def test_a_line_that_does_not_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LIMIT_BYTES_OF_A_ROW", 500_000)
    path = write(tmp_path / "a.jsonl", '{"text": "' + "x" * 10**6)
    with pytest.raises(InputError, match="has a row of more than 500,000 bytes: expected an object on each line"):
        list(read_table(path, ("text",)))
    write(path, *['{"text": "A"}'] * 100_000)
    assert sum(len(chunk) for chunk in read_table(path, ("text",))) == 100_000
