"""What `unroll trace` can be given, and where it finds that; with real Git."""

from pathlib import Path

import pytest

from histories import History, begin_history, make_files
from unroll.base.errors import InputError
from unroll.results.places import find_places


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Two commits with figures, an experiment on the first, and another pipeline below."""
    monkeypatch.chdir(tmp_path)
    history = begin_history(tmp_path)
    history.commit("older", make_files(0.812345))
    history.save_experiment("bold-one", make_files(0.8391, cell="lstm", model="e"))
    history.commit("newer", make_files(0.823456, model="d"))
    history.commit("another pipeline", make_files(0.812345), folder="pipelines/waves")
    history.commit("code", {"code.py": ""})
    return history


def find(what: str, key: str = "") -> list[tuple[str, str, str]]:
    return [(p.commit.subject, f"{p.folder}{p.file}", p.key) for p in find_places(what, key)]


def test_a_number_stands_where_its_digits_do(history: History) -> None:
    (place,) = find_places("0.8235")
    assert (place.file, place.key, place.value) == ("metrics/test.json", "macro_f1", 0.823456)
    assert place.since and (place.commit.subject, place.since.subject) == ("code", "newer")  # HEAD has it, too
    assert [ref.label for ref in place.refs] == ["HEAD", "main"] and place.is_made
    (place,) = find_places("83.91%")
    assert [ref.label for ref in place.refs] == ["experiment bold-one"] == [ref.label for ref in place.tips]
    present, past = find_places("0.812345")
    assert (present.folder, past.folder, past.refs) == ("pipelines/waves/", "", ())
    assert find_places("0.1234") == []


def test_what_stands_in_head_comes_before_what_is_newer(history: History) -> None:
    history.save_experiment("wild-one", make_files(0.82349))
    assert [place.value for place in find_places("0.8235")] == [0.823456, 0.82349]


def test_what_is_not_committed_comes_first(history: History) -> None:
    history.write(make_files(0.8235))
    assert find("0.8235") == [
        ("not committed", "metrics/test.json", "macro_f1"),
        ("code", "metrics/test.json", "macro_f1"),
    ]
    (place,) = find_places("metrics/test.json:macro_f1")
    assert (place.commit.id, place.value, place.is_made) == ("", 0.8235, True)
    (place,) = find_places("HEAD:metrics/test.json", "macro_f1")
    assert (place.commit.subject, place.value) == ("code", 0.823456)


def test_what_no_lock_records_was_made_by_nothing(history: History) -> None:
    test = make_files(0.8767)["metrics/test.json"]
    history.write({"metrics/test.json": test})
    assert [place.is_made for place in find_places("0.8767")] == [False]
    history.commit("by hand")
    assert [place.is_made for place in find_places("0.8767")] == [False]
    history.commit("its lock, later", {"dvc.lock": make_files(0.8767)["dvc.lock"]})
    (place,) = find_places("0.8767")
    assert (place.is_made, place.commit.subject) == (True, "its lock, later")


def test_a_file_and_a_key(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    (place,) = find_places("main~2:metrics/test.json:macro_f1")
    assert (place.commit.subject, place.value) == ("newer", 0.823456)
    assert find("bold-one:metrics/test.json", "macro_f1")[0][0] == "dvc: commit experiment bold-one"
    assert find_places("metrics/data.json:sources.all.bytes")[0].value == 1234
    assert find_places("HEAD:pipelines/waves/metrics/test.json")[0].value is None
    monkeypatch.chdir(history.path / "pipelines" / "waves")
    for what in ("metrics/test.json", "HEAD:./metrics/test.json"):
        (place,) = find_places(what, "macro_f1")
        assert (place.folder, place.value) == ("pipelines/waves/", 0.812345)
    assert find_places("pipelines/waves/metrics/test.json:macro_f1") == find_places("metrics/test.json:macro_f1")


def test_a_file_without_a_key_and_from_other_folders(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("metrics/test.json") == [("code", "metrics/test.json", "")]
    history.write({"docs/page.md": ""})
    monkeypatch.chdir(history.path / "docs")
    for what in ("metrics/test.json", "../metrics/test.json", "./../metrics/test.json", "HEAD:../metrics/test.json"):
        assert find_places(f"{what}:macro_f1")[0].value == 0.823456
    with pytest.raises(InputError, match=r"^there is no docs/metrics/no.json or metrics/no.json in HEAD, nor one that"):
        find_places("metrics/no.json:macro_f1")
    with pytest.raises(
        InputError, match=r"^'../../metrics/test.json' is no JSON file in metrics/: expected one, as in"
    ):
        find_places("../../metrics/test.json")


def test_the_md5_of_an_output(history: History) -> None:
    history.commit("scored anew", make_files(0.83, model="d"))
    history.commit("code", {"code.py": "2"})
    (place,) = find_places("d" * 32)
    assert (place.file, place.commit.subject, place.since.subject) == ("models/model.safetensors", "code", "newer")
    assert [ref.label for ref in place.refs] == ["HEAD", "main"]
    assert find("e" * 32) == [("dvc: commit experiment bold-one", "models/model.safetensors", "")]
    assert {place.file for place in find_places("b" * 32)} == {"data/clean"}  # a folder
    assert find("f" * 32) == []


def test_an_md5_as_people_have_it(history: History) -> None:
    lock = (history.path / "dvc.lock").read_text().replace("d" * 32, "49a55e0fb9" + "d" * 22)
    history.commit("a real one", {"dvc.lock": lock.replace("b" * 32, "1234567" + "b" * 25)})
    for what in ("49a55e0", "49a55e0fb9", "49A55E0FB9" + "D" * 22):
        assert find(what) == [("a real one", "models/model.safetensors", "")]
    assert find("1234567") == find("1234567" + "B" * 25 + ".dir") == [("a real one", "data/clean", "")]
    assert find("49a55e") == []  # as short as other names
    history.git("branch", "49a55e0fb9", "HEAD~2")
    assert find("49a55e0fb9")[0][1] == "metrics/test.json"


def test_an_output_in_head_comes_before_a_newer_one(history: History) -> None:
    history.git("tag", "v1")
    history.save_experiment("wild-one", make_files(0.9, model="d"))  # the same model, scored otherwise
    head, other = find_places("d" * 32)
    assert head.commit.subject == "code"
    assert {ref.label for ref in head.refs} == {"HEAD", "main", "tag v1", "experiment wild-one"}
    assert (other.commit.subject, other.tips[0].name) == ("dvc: commit experiment wild-one", "wild-one")
    (past, _) = find_places("a" * 32)  # of the other pipeline, and of the first commit
    assert (past.folder, past.refs[0].label) == ("pipelines/waves/", "HEAD")


def test_a_revision_or_an_experiment(history: History) -> None:
    for name in ("HEAD~2", "main~2", history.git("rev-parse", "--short", "HEAD~2")):
        assert find(name) == [("newer", "metrics/test.json", "")]
    assert find("bold-one") == [("dvc: commit experiment bold-one", "metrics/test.json", "")]
    history.git("tag", "bold-one")  # the commit that Git knows so is first
    assert {place.commit.subject for place in find_places("bold-one")} == {"code", "dvc: commit experiment bold-one"}


def test_a_revision_is_of_the_pipeline_here_or_of_the_roots(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.write({"docs/page.md": "", "pipelines/waves/dvc.yaml": ""})
    for folder, file in {"docs": "metrics/test.json", "pipelines/waves": "pipelines/waves/metrics/test.json"}.items():
        monkeypatch.chdir(history.path / folder)
        assert find("HEAD") == [("code", file, "")]
    with pytest.raises(InputError, match=r"^HEAD~2 has neither pipelines/waves/metrics/test.json nor pipelines/waves/"):
        find("HEAD~2")


def test_a_number_is_first_a_figure_then_a_revision(history: History) -> None:
    history.git("tag", "0.8", "HEAD~2")
    assert {key for _, _, key in find("0.8")} == {"macro_f1"}
    history.git("tag", "0.3", "HEAD~2")
    assert find("0.3") == [("newer", "metrics/test.json", "")]
    assert find("refs/tags/0.8") == [("newer", "metrics/test.json", "")]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no-such:metrics/test.json:x", "'no-such' is no branch"),
        ("--output=x:metrics/test.json:x", "'--output=x' is no branch, tag, commit or experiment"),
        ("metrics/none.json:x", "there is no metrics/none.json in HEAD, nor one that is not committed"),
        ("HEAD~2:pipelines/waves/metrics/test.json", "there is no pipelines/waves/metrics/test.json in HEAD~2$"),
        (
            "HEAD:code.py:x",
            "'code.py' is no JSON file in metrics/: expected one before the key 'x', as in metrics/test",
        ),
        ("metrics/test.json:f1", "metrics/test.json has no number 'f1': expected one of accuracy, macro_f1"),
    ],
)
def test_what_is_not_there(history: History, what: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        find_places(what)


def test_outside_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="no Git repository"):
        find_places("0.5")
