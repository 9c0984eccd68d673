"""Clones of real repositories: what is checked out, what is refused, and that nothing is left of a failure."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histories import History, begin_history, make_files
from unroll.base.errors import InputError
from unroll.results.clone import (
    apply_patch,
    check_folder,
    check_out,
    choose_pipeline,
    has_commit,
    list_imports,
    open_clone,
    write_settings,
)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A repository with two branches, a tag and an experiment, and a pipeline below its root."""
    monkeypatch.chdir(tmp_path)
    history = begin_history(tmp_path / "repository")
    history.commit("first", make_files(0.8) | {"dvc.yaml": "stages: {}\n", ".dvc/config": "", "données.csv.dvc": ""})
    waves = make_files(0.7) | {"dvc.yaml": "stages: {}\n", ".dvc/config": "", "more/other.csv.dvc": ""}
    waves["params.yaml"] = "tracking: {experiment: waves}\n"
    history.commit("second", waves, "pipelines/waves")
    history.git("tag", "v1")
    history.git("branch", "topic", "HEAD~1")
    history.save_experiment("bold-one", make_files(0.9))
    return history


def test_branches_tags_commits_and_experiments_are_checked_out(history: History, tmp_path: Path) -> None:
    (first, second), url = history.git("rev-list", "--reverse", "HEAD").split(), str(history.path)
    bold = history.git("for-each-ref", "--format=%(objectname)", "refs/exps")
    with open_clone(url, tmp_path / "new" / "clone") as clone:
        for name, commit in {"main": second, "v1": second, "topic": first, "HEAD~1": first, first[:8]: first}.items():
            assert check_out(clone, name, url) == commit
        assert check_out(clone, "bold-one", url) == bold and "0.9" in (clone / "metrics/test.json").read_text()
        newer = history.save_experiment("bold-one", make_files(0.95))  # of the same name, in another place
        history.git("update-ref", f"refs/exps/{'0' * 2}/{'0' * 38}/bold-one", newer)
        assert check_out(clone, "bold-one", url) in (bold, newer)
        assert check_out(clone, newer[:10], url) == newer  # by its hash, which no branch of the clone holds
        assert (clone / ".git").is_dir() and not has_commit(second)


def test_names_are_those_of_the_folder_that_is_cloned(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `origin/main` is not the clone's, which is its own `main`; whatever the person calls remotes."""
    for name, value in {"COUNT": "1", "KEY_0": "clone.defaultRemoteName", "VALUE_0": "upstream"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    first = history.git("rev-parse", "topic")
    history.git("update-ref", "refs/remotes/origin/main", first)
    with open_clone(str(history.path), tmp_path / "clone") as clone:
        assert check_out(clone, "origin/main", str(history.path)) == first
        assert check_out(clone, "topic", "elsewhere") == first  # as of an address


@pytest.mark.parametrize("name", ["nothing", "-x", "--upload-pack=touch x", "HEAD:dvc.yaml", "main..topic", "a b", ""])
def test_what_is_no_commit_is_refused_and_nothing_is_left(history: History, tmp_path: Path, name: str) -> None:
    for folder in (tmp_path / "new", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        with (
            pytest.raises(
                InputError, match=f"^{name!r} is no branch, tag, commit, experiment or run of .*`unroll trace`"
            ),
            open_clone(str(history.path), folder) as clone,
        ):
            check_out(clone, name, str(history.path))
    assert not (tmp_path / "new").exists() and list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "x").exists()


def test_a_failure_removes_the_folders_that_it_made_and_no_others(history: History, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for url in (str(history.path), "nothing"):
        with pytest.raises(InputError), open_clone(url, tmp_path / "a" / "b" / "c"):
            raise InputError("it is no commit")
        assert list((tmp_path / "a").iterdir()) == []
    with pytest.raises(InputError), open_clone(str(history.path), tmp_path / "a" / "b" / "c"):
        (tmp_path / "a" / "b" / "file").touch()
        raise InputError("it is no commit")
    assert list((tmp_path / "a").rglob("*")) == [tmp_path / "a" / "b", tmp_path / "a" / "b" / "file"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_any_name_is_checked_out_or_refused(history: History, name: str) -> None:
    with pytest.raises(InputError), open_clone(str(history.path), Path("any")) as clone:
        check_out(clone, name, "url")
        raise InputError("it was found")


def test_a_commit_that_was_not_pushed_is_told(history: History, tmp_path: Path) -> None:
    with (
        pytest.raises(
            InputError, match=f"^run 1 was made from commit {'1' * 40}, which .* does not have: push it there$"
        ),
        open_clone(str(history.path), tmp_path / "clone") as clone,
    ):
        check_out(clone, "1" * 40, str(history.path), "run 1")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ext::sh -c touch% hacked", "transport 'ext' not allowed"),
        ("--upload-pack=touch hacked", "does not exist"),
        ("nothing", "does not exist"),
    ],
)
def test_hostile_addresses_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, told: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    with pytest.raises(InputError, match=f"^git clone: .*{told}"), open_clone(url, Path("clone")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_anything_in_it_is_refused_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".hidden").touch()
    with pytest.raises(InputError, match=r"^\. is not empty: give an empty or a new folder, as in --folder"):
        check_folder(Path())
    with pytest.raises(InputError, match=r"^\.hidden is no folder: "), open_clone("nothing", Path(".hidden")):
        pass
    assert (tmp_path / ".hidden").is_file()


PATCHES = {
    "outside": b"diff --git a/../x b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n",
    "in .git": b"diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/hooks/x\n"
    b"@@ -0,0 +1 @@\n+x\n",
    "through a link": b"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+..\n"
    b"\\ No newline at end of file\ndiff --git a/l/x b/l/x\nnew file mode 100644\n--- /dev/null\n+++ b/l/x\n"
    b"@@ -0,0 +1 @@\n+x\n",
    "of another commit": b"diff --git a/dvc.yaml b/dvc.yaml\n--- a/dvc.yaml\n+++ b/dvc.yaml\n@@ -1 +1 @@\n-x\n+y\n",
    "no patch": b"\0\xff",
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_hostile_patch_is_refused(history: History, tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(InputError, match=r"^run 1: what was not committed does not apply to its commit: git apply: "),
        open_clone(str(history.path), tmp_path / "clone") as clone,
    ):
        check_out(clone, "main", str(history.path))
        apply_patch(clone, PATCHES[name], "run 1")
    assert list(tmp_path.rglob("x")) == [] and not (tmp_path / "clone").exists()


def test_the_pipeline_is_that_asked_for_or_that_of_the_experiment(history: History, tmp_path: Path) -> None:
    with open_clone(str(history.path), tmp_path / "clone") as clone:
        check_out(clone, "main", str(history.path))
        assert choose_pipeline(clone, "", "") == choose_pipeline(clone, ".", "waves") == "."
        assert (
            choose_pipeline(clone, "pipelines/waves/", "") == choose_pipeline(clone, "", "waves") == "pipelines/waves"
        )
        assert choose_pipeline(clone, "", "traced") == "."
        with pytest.raises(InputError, match=r"no pipeline in \.\./x: expected one of ., pipelines/waves, given by"):
            choose_pipeline(clone, "../x", "")
        with pytest.raises(InputError, match=r"^0 pipelines of the commit have tracking.experiment = 'other': "):
            choose_pipeline(clone, "", "other")
        assert list_imports(clone) == ["données.csv.dvc"] and list_imports(clone / "pipelines/waves") == [
            "more/other.csv.dvc"
        ]


def test_the_cache_is_the_clones_own_and_remotes_lead_where_they_led(tmp_path: Path) -> None:
    source, clone = tmp_path / "source", tmp_path / "deep" / "clone"
    for folder in (source, clone):
        (folder / ".dvc").mkdir(parents=True)
        (folder / ".dvc/config").write_text("[cache]\n    dir = /shared\n['remote \"one\"']\n    url = ../../storage\n")
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (clone / ".dvc/config.local").symlink_to(outside)  # of a hostile commit
    (source / ".dvc/config.local").write_text(
        "[core]\n    remote = one\n['remote \"one\"']\n    password = 100%\n['remote \"s3\"']\n    url = s3://a\n"
    )
    write_settings(clone, source)
    path = clone / ".dvc/config.local"
    assert path.read_text() == (
        "[cache]\ndir = cache\n\n[core]\nremote = one\n\n"
        f"['remote \"one\"']\nurl = {tmp_path / 'storage'}\npassword = 100%\nverify = true\n\n"
        "['remote \"s3\"']\nurl = s3://a\nverify = true\n\n"
    )
    assert path.stat().st_mode & 0o077 == 0 and outside.read_text() == "mine"
    write_settings(clone, Path("https://example.org/x"))  # of what is not here, only the commit's settings are known
