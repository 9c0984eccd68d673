"""Whatever the bytes, the text or the parameters: a valid result, or an error in one line, and nothing else.

`HYPOTHESIS_EXAMPLES=100000 python -m pytest -n0 tests/hostile/test_fuzz.py` tries so many of each.
"""

import os
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from unroll.base.errors import InputError, make_printable
from unroll.data.datasets import choose_layout, read_rows
from unroll.params.common import check_params, read_yaml
from unroll.params.texts import DataParams
from unroll.results.pipelines import choose_schema
from unroll.stages.preprocess import SCHEMA, clean_rows
from unroll.text.clean import Cleaning, clean_text
from unroll.text.clean_columns import clean_texts
from unroll.text.markup import decode_entities, decode_loosely

many = settings(max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "100")))
DEFAULTS: dict[str, Any] = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
OWN = DataParams(**DEFAULTS["data"] | {"dataset": "csv", "file": "a.csv"})
AG_NEWS = DataParams(**DEFAULTS["data"] | {"dataset": "ag_news", "text": "title+description"})
ENCODINGS = ["utf-8", "utf-16", "utf-16-le", "utf-32", "cp1252", "gb18030", "shift_jis", "iso2022_jp", "cp037"]
CLEANINGS = st.builds(
    Cleaning,
    html=st.sampled_from(["feed", "decode", "keep"]),
    lowercase=st.booleans(),
    brackets=st.sampled_from(["keep", "drop"]),
    numbers=st.sampled_from(["keep", "mask"]),
    punctuation=st.sampled_from(["keep", "drop"]),
    stop_words=st.sampled_from([frozenset(), frozenset({"the", "don't", "é"})]),
    stemming=st.sampled_from(["none", "porter"]),
)


def expect_one_line(error: InputError) -> None:
    assert "\n" not in str(error) and str(error)


# The building blocks of tables, so that most of the bytes are nearly a table.
TOKENS = st.sampled_from(
    [b",", b"\t", b'"', b'""', b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\xc3"]
) | st.sampled_from([b"text,label\n", b" ", b"\x1a", b"#", b"'", b"\\", b"NaN", b"1", b"\x1b[2J", "é".encode()])
TOKENS |= st.sampled_from([b'{"text": "', b'", "label": "', b'"}\n', b"\\ud800", b"null", b"[", b"1e999"])
BYTES = st.builds(
    lambda header, parts: header + b"".join(parts),
    st.sampled_from([b"", b"text,label\n", b"text\tlabel\r\n", b'"text","label"\n', b'{"text": 1, "label": "']),
    st.lists(TOKENS | st.binary(max_size=20), max_size=30),
)


@many
@example(b'"text,label\n"', ".csv", OWN, "utf-8")
@given(BYTES, st.sampled_from([".csv", ".tsv", ".jsonl"]), st.sampled_from([OWN, AG_NEWS]), st.sampled_from(ENCODINGS))
def test_any_bytes_are_a_table_or_an_error_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str, data: DataParams, encoding: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(content)
    layout = choose_layout(data.model_copy(update={"encoding": encoding}))
    cleaning = Cleaning(
        html="feed",
        lowercase=True,
        brackets="drop",
        numbers="mask",
        punctuation="keep",
        stop_words=frozenset(),
        stemming="none",
    )
    number = 0
    try:
        for raw in read_rows(path, layout):
            rows, fates = clean_rows(raw, layout.class_names, cleaning)
            pa.Table.from_pandas(rows, SCHEMA, preserve_index=False).validate(full=True)
            assert rows["row"].tolist() == list(range(number + 1, number + len(raw) + 1))
            assert ((rows["text"] != "") & (rows["label"] != ""))[fates == "keep"].all()
            number += len(raw)
    except InputError as error:
        expect_one_line(error)
    else:
        assert number > 0


MARKUP = """
    &amp; &lt; &#39; #39; &#xD800; &#0; &#x110000; &# quot; <b> </ > < \\ ( ) [ ] { } ' . , & ; # the don't é
""".split()  # noqa: SIM905
PIECES = st.sampled_from(MARKUP) | st.sampled_from(
    " \n\0\x1b\u200b\u200c\u200d\u00ad\u202e\u0301\u0331H\u0316\u0f73ﷺİ😀א한\ud800"
)
TEXTS = st.lists(PIECES | st.text(st.characters(), max_size=5), max_size=12).map("".join)


@many
@given(TEXTS, CLEANINGS)
def test_any_text_becomes_words_and_marks_and_nothing_else(text: str, cleaning: Cleaning) -> None:
    cleaned = clean_text(text, cleaning)
    assert cleaned.split(" ") == (cleaned.split() or [""])
    cleaned.encode()  # has no lone surrogate
    if cleaning.lowercase:
        assert cleaned == cleaned.lower()
    if cleaning.punctuation == "drop":
        # "Cn" is what this Python's Unicode does not know: that of the regex package is a newer one.
        kinds = ((character, unicodedata.category(character)) for character in cleaned)
        assert all(kind[0] in "LMN" or kind == "Cn" or character in " '.,&\u200c\u200d" for character, kind in kinds)


@many
@given(st.lists(TEXTS, max_size=4), CLEANINGS)
def test_a_column_is_cleaned_as_its_texts_are(texts: list[str], cleaning: Cleaning) -> None:
    texts = [text.encode(errors="replace").decode() for text in texts]  # a column holds no lone surrogates
    expected = [clean_text(text, cleaning) for text in texts]
    assert clean_texts(pa.array(texts, pa.string()), cleaning).to_pylist() == expected


@many
@given(TEXTS)
def test_cleaning_again_changes_nothing(text: str) -> None:
    cleaning = Cleaning(
        html="feed",
        lowercase=True,
        brackets="keep",
        numbers="mask",
        punctuation="drop",
        stop_words=frozenset(),
        stemming="none",
    )
    cleaned = clean_text(text, cleaning)
    assert clean_text(cleaned, cleaning) == cleaned


@pytest.mark.parametrize("text", ["&#" + "9" * 5000 + ";", "&#" + "0" * 5000 + "65;", "&#x" + "f" * 5000 + ";"])
def test_a_number_of_any_length_is_an_entity(text: str) -> None:
    assert decode_entities(text) == decode_loosely(text) == ("A" if "65" in text else "\ufffd")


@pytest.mark.parametrize("marks", ["\u0300\u0316", "\u0f73", "\uff9e\u0300"])
def test_a_million_marks_on_a_letter_take_no_hours(marks: str) -> None:
    cleaning = Cleaning(
        html="feed",
        lowercase=True,
        brackets="keep",
        numbers="keep",
        punctuation="drop",
        stop_words=frozenset(),
        stemming="none",
    )
    assert clean_text("Cafe\u0301 e" + marks * 500_000 + " end", cleaning).split()[::2] == ["café", "end"]


def test_an_ordinary_number_of_marks_stays() -> None:
    text = "e\u0301\u0316" * 1000 + "ｶﾞ"
    cleaning = Cleaning(
        html="feed",
        lowercase=True,
        brackets="keep",
        numbers="keep",
        punctuation="keep",
        stop_words=frozenset(),
        stemming="none",
    )
    assert clean_text(text, cleaning) == unicodedata.normalize("NFKC", text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -1, 0, 1, 2, 0.5, 1e308, "gru", "last", "csv", "none", "skipgram"])
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=4)
    | st.dates(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), values),
    max_leaves=6,
)
PLACES = [(section, name) for section, values in DEFAULTS.items() for name in values]


@many
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), max_size=3), st.none() | VALUES)
def test_any_values_are_parameters_or_an_error_in_one_line(
    changes: list[tuple[tuple[str, str], Any]], instead: Any
) -> None:
    values = {section: dict(items) for section, items in DEFAULTS.items()}
    for (section, name), value in changes:
        values[section][name] = value
    for tried in (values, instead, values | {"model": instead}):
        try:
            params = check_params(tried, choose_schema(tried), Path("params.yaml"))
        except InputError as error:
            expect_one_line(error)
            assert len(str(error)) < 5000
        else:
            assert check_params(params.model_dump(), type(params), Path("params.yaml")) == params


YAML_PIECES = st.sampled_from(
    ["data:", "model:", "\n", "\n  ", "- ", "[", "]", "{", "}", ": ", ", ", "&a ", "*a", "? ", "<<: ", "|\n", ">-\n"]
) | st.sampled_from(
    [
        "%YAML 1.1\n",
        "---\n",
        "...\n",
        "%TAG ! x\n",
        "! ",
        "!<x> ",
        "'",
        '"',
        "#",
        "\t",
        "\0",
        "\ufeff",
        "\\x41",
        "=",
        "@",
    ]
)
TAGS = st.sampled_from(["int", "omap", "set", "binary", "timestamp", "float", "bool", "null", "pairs", "python/name:x"])
SCALARS = st.sampled_from(
    ["1e3", ".nan", "-.inf", "0x1f", "0o17", "1_000", "2001-01-01", "2001-99-99", "12:30:45", "~", "yes"]
)
LINES = st.lists(YAML_PIECES | TAGS.map("!!{} ".format) | SCALARS | st.text(max_size=4), max_size=15).map("".join)


@many
@example(b"!!timestamp |\n|\n")
@given(LINES.map(str.encode) | st.binary(max_size=40))
def test_any_parameter_file_is_values_or_an_error_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(content)
    try:
        values = read_yaml(path)
        check_params(values, choose_schema(values), path)
    except InputError as error:
        expect_one_line(error)


@many
@given(TEXTS)
def test_what_is_printed_moves_no_cursor(text: str) -> None:
    printed = make_printable(text)
    printed.encode()
    assert not {unicodedata.category(character) for character in printed} & {"Cc", "Cs", "Zl", "Zp"}
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not {unicodedata.bidirectional(character) for character in printed} & turning
