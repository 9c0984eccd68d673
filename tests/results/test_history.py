"""All versions of metrics in a real repository, and how long it takes to read them."""

import os
from pathlib import Path

import pytest

from histories import History, begin_history, make_files, write_commits
from unroll.results.history import METRICS, count_commits, count_experiments, list_refs, list_versions, read_figures
from unroll.results.places import find_places
from unroll.results.trace import read_chain


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.chdir(tmp_path)
    return begin_history(tmp_path)


def list_figures() -> list[tuple[str, float]]:
    found = [(v.commit.subject, read_figures(v.content).get("macro_f1", 0.0)) for v in list_versions(METRICS)]
    return [(subject, figure) for subject, figure in found if figure]


def test_every_version_is_there_merged_and_given_up_ones_too(history: History) -> None:
    history.commit("first", make_files(0.1))
    history.git("switch", "--quiet", "--create", "side")
    history.commit("side", make_files(0.2))
    history.git("switch", "--quiet", "main")
    history.commit("main", make_files(0.3))
    history.git("merge", "--quiet", "--strategy", "ours", "--message", "merge", "side")  # drops what the side had
    history.git("switch", "--quiet", "--create", "other", "HEAD^")
    history.commit("other", make_files(0.7))
    history.git("switch", "--quiet", "main")
    history.git("merge", "--quiet", "--strategy", "ours", "--message", "merge", "other")
    history.git("branch", "--quiet", "-D", "side", "other")
    history.write(make_files(0.4))
    history.git("add", "--all")
    history.git("commit", "--quiet", "--amend", "--no-edit")  # of a merge, what neither side had
    history.save_experiment("bold-one", make_files(0.5))
    history.git("rm", "--quiet", "-r", "metrics")
    history.commit("removed")
    history.write(make_files(0.6))
    figures = dict(list_figures())
    expected = {"not committed": 0.6, "dvc: commit experiment bold-one": 0.5, "merge": 0.4}
    assert figures == expected | {"main": 0.3, "other": 0.7, "side": 0.2, "first": 0.1}
    assert (count_commits(), count_experiments()) == (8, 1)


def test_names_and_messages_may_hold_any_bytes(history: History) -> None:
    name = "métriques ü\\x\udcff"  # the last is a byte that is no UTF-8
    history.write(make_files(0.1), folder=name)
    history.git("add", "--all")
    history.git("commit", "--quiet", "-F", "-", text=b"\xe9t\xe9\x1b[31m: \xff")
    (version,) = [v for v in list_versions(METRICS) if v.path.endswith("test.json")]
    assert version.path == f"{name}/metrics/test.json"
    history.git("tag", "--annotate", "--message", "a tag", "v1.0")
    commit = history.git("rev-parse", "HEAD")
    assert {(ref.label, ref.commit) for ref in list_refs()} == {(n, commit) for n in ("HEAD", "main", "tag v1.0")}


def test_files_that_hold_no_figures_are_passed_over(history: History) -> None:
    odd = {"a": "{", "b": "[" * 100_000, "c": '[true, null, "0.5"]', "d": '{"x": [0.5]}', "e": "\ud7ff"}
    history.commit("odd", {f"metrics/{name}.json": content for name, content in odd.items()})
    assert [(place.file, place.key) for place in find_places("0.5")] == [("metrics/d.json", "x.0")]


def test_a_thousand_commits_take_less_than_a_second(history: History) -> None:
    """Of processor time, Git's own included: how busy the machine is makes no difference."""
    write_commits(history, 1000)
    # The last stands in every commit, each of whose dvc.lock is read, too.
    for what, count, subject, most in (("0.500321", 1, "commit 321", 1), ("0.50", 1000, "commit 1000", 2)):
        before = sum(os.times()[:4])
        places = find_places(what)
        chain = read_chain(places[0])
        assert sum(os.times()[:4]) - before < most
        assert (len(places), chain.place.commit.subject, chain.place.is_made) == (count, subject, True)
        assert chain.stages[-1].name == "evaluate"
    before = sum(os.times()[:4])
    assert find_places("0.123456") == []
    assert sum(os.times()[:4]) - before < 1
