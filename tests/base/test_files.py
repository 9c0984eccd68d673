"""Files are written whole or not at all."""

import errno
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unroll.base.errors import InputError
from unroll.base.files import (
    NO_ROOM,
    compute_hash,
    find_root,
    open_scratch,
    read_json,
    replace_when_done,
    write_json,
)


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replace_when_done(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert list_names(tmp_path) == ["a.txt"]


def test_success_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.txt"
    with replace_when_done(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list_names(path.parent) == ["a.txt"]


def test_json_has_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1 / 3, "a": [0.1 + 0.2], "é": "ü"})
    write_json(tmp_path / "b.json", {"é": "ü", "a": (0.3,), "b": 0.33333333})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": [0.3], "b": 0.333333, "é": "ü"}


def test_json_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json is missing: `dvc repro` makes it"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert list_names(tmp_path) == ["a.json"]


def test_hashes_are_those_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert compute_hash(tmp_path / "a", "md5") == "900150983cd24fb0d6963f7d28e17f72"


def test_the_root_is_that_of_the_main_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "pipelines" / "one").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "pipelines" / "one")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert find_root() == tmp_path
    monkeypatch.setenv("DVC_ROOT", "/elsewhere")
    assert find_root() == Path("/elsewhere")


def test_what_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, reason in (
        (tmp_path / "file" / "a.json", "cannot be written: File exists"),
        (tmp_path / "file" / "deeper" / "a.json", "cannot be written: Not a directory"),
        (tmp_path / "folder", "is a folder, expected a file"),
        (tmp_path / ("a" * 300) / "a.json", "cannot be written: File name too long"),
    ):
        with pytest.raises(InputError) as caught:
            write_json(path, 1)
        assert str(caught.value) == f"{path} {reason}"
    assert sorted(list_names(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("number", sorted(NO_ROOM))
def test_no_room_is_told_and_another_error_of_the_block_is_not_renamed(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(InputError, match=r"a\.txt cannot be written: "), replace_when_done(path):
        raise OSError(number, "")
    with pytest.raises(InputError, match=r"a\.txt cannot be written: "), open_scratch(path):
        raise OSError(number, "")
    with pytest.raises(PermissionError), replace_when_done(path):
        raise PermissionError(errno.EACCES, "of a file that the block reads")
    assert list_names(tmp_path) == []


@pytest.mark.parametrize("write", [replace_when_done, open_scratch])
def test_what_killed_processes_left_of_a_file_goes_and_nothing_else(tmp_path: Path, write: Callable) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    here = socket.gethostname()
    (tmp_path / f".a-{here}-{ended.pid}-x1.npy").touch()
    (tmp_path / f".a-{here}-{ended.pid}-x2.npy").mkdir()
    (tmp_path / f".a-{here}-{ended.pid}-x2.npy" / "ids.txt").touch()
    others = {f".a-{here}-{os.getpid()}-x3.npy", f".b-{here}-{ended.pid}-x4.npy", f".a-{here}-{ended.pid}-x5.json"}
    others |= {f".a-{here}-1st-x.npy", f".a-other-host-{ended.pid}-x6.npy", "a.txt"}
    for name in others:
        (tmp_path / name).touch()
    with write(tmp_path / "a.npy"):
        assert len(list_names(tmp_path)) == len(others) + 1
    assert set(list_names(tmp_path)) - {"a.npy"} == others
