"""Which outputs differ, in the order in which stages run, and by how much their figures do."""

from pathlib import Path

import pytest

from histories import compute_md5, make_files
from unroll.base.errors import InputError
from unroll.results.outputs import find_differences, read_expected, read_outputs, tell_figures, tell_outputs

FILES = make_files(0.8)
MADE = read_outputs(FILES["dvc.lock"].encode())


def test_outputs_are_in_the_order_of_stages() -> None:
    """In dvc.lock, stages stand in any order; folders have MD5s with an ending."""
    assert list(MADE) == [
        ("preprocess", "data/clean"),
        ("preprocess", "metrics/data.json"),
        ("draw", "picture.svg"),
        ("train", "models/model.safetensors"),
        ("evaluate", "metrics/test.json"),
    ]
    assert MADE["preprocess", "data/clean"] == f"{'b' * 32}.dir"
    assert read_outputs(b"") == read_outputs(b"a: [") == read_outputs(b"stages: {a: 1, b: {outs: []}}") == {}


def test_the_first_that_differs_comes_first() -> None:
    expected = {path: md5 for (_, path), md5 in MADE.items()}
    assert find_differences(expected, MADE) == []
    changed = expected | {"metrics/test.json": "0", "models/model.safetensors": "1", "gone.csv": "2"}
    assert find_differences(changed, MADE) == [
        ("train", "models/model.safetensors"),
        ("evaluate", "metrics/test.json"),
        ("no stage", "gone.csv"),
    ]
    assert list(tell_outputs(changed, MADE)) == [
        ("preprocess", "2 outputs, the same bytes"),
        ("draw", "1 output, the same bytes"),
        ("train", f"models/model.safetensors differs: MD5 {'a' * 32}, expected 1"),
        ("evaluate", f"metrics/test.json differs: MD5 {MADE['evaluate', 'metrics/test.json']}, expected 0"),
        ("no stage", "gone.csv differs: MD5 missing, expected 2"),
    ]


def test_an_output_without_md5_is_never_the_same() -> None:
    assert find_differences({"a": ""}, {("one", "a"): ""}) == [("one", "a")]


def test_a_run_records_a_part_of_the_outputs() -> None:
    known = {"models/model.safetensors": "a" * 32}
    assert find_differences(known, MADE) == []
    assert list(tell_outputs(known, MADE))[1:3] == [
        ("draw", "made; nothing to compare with"),
        ("train", "1 output, the same bytes"),
    ]


def test_what_is_expected_of_a_commit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dvc\.lock with outputs"):
        read_expected(tmp_path)
    for name in ("dvc.lock", "metrics/test.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(FILES[name])
    expected = read_expected(tmp_path)
    assert expected.outputs["metrics/test.json"] == compute_md5(FILES["metrics/test.json"])
    assert expected.files == {"metrics/test.json": FILES["metrics/test.json"].encode()}


def test_figures_that_differ_are_told_with_both_values(tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text('{"macro_f1": 0.75, "same": 1, "new": 2, "classes": {"World": {"f1": 0.5}}}')
    old = b'{"macro_f1": 0.8, "same": 1, "old": 3, "classes": {"World": {"f1": 0.5000001}}}'
    assert tell_figures({"test.json": old}, tmp_path) == [
        "test.json macro_f1: 0.75, expected 0.8, a difference of -0.05",
        "test.json old: missing, expected 3",
        "test.json classes.World.f1: 0.5, expected 0.5, a difference of -1e-07",
        "test.json new: 2, expected none",
    ]
    assert tell_figures({"gone.json": b'{"a": 1}', "text.json": b"no JSON"}, tmp_path) == [
        "gone.json a: missing, expected 1"
    ]
    many = b"{%s}" % b", ".join(b'"%d": 1' % number for number in range(50))
    assert tell_figures({"test.json": many}, tmp_path)[-1] == "and 42 figures more"
