"""What differs from the commit is kept with a run, unless it is large or may hold a secret: real Git and MLflow."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from histories import History, begin_history
from unroll.tracking import changes
from unroll.tracking.changes import LIMIT_BYTES, Withheld, log_changes, make_patch
from unroll.tracking.git import GitError
from unroll.tracking.origin import describe_origin, remove_password
from unroll.tracking.runs import create_run
from unroll.tracking.store import connect


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A repository of one commit; its pipeline in a folder is the current folder."""
    history = begin_history(tmp_path / "repository")
    files = {"params.yaml": "cell: gru\n", "src/code.py": "one\ntwo\n", "metrics/test.json": "{}", "dvc.lock": "a\n"}
    history.commit(
        "first",
        files | {".gitignore": "/ignored\nmlflow.db*\nmlartifacts\n", "pipeline/dvc.lock": "a\n", "latin.txt": "a"},
    )
    monkeypatch.chdir(history.path / "pipeline")
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "UNROLL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return history


def list_files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_patch_makes_the_same_tree_and_the_repository_is_untouched(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_patch() == b""
    module = begin_history(history.path / "module")
    module.git("commit", "--allow-empty", "--message", "first")
    history.git("add", "module")
    history.git("commit", "--message", "second")
    module.git("commit", "--allow-empty", "--message", "second")
    for setting in ("diff.noprefix true", "diff.context 0", "color.ui always", "core.quotePath true"):
        history.git("config", *setting.split())
    for setting in ("diff.external false", "diff.submodule log", "core.fsmonitor false"):
        history.git("config", *setting.split())
    monkeypatch.setenv("GIT_DIFF_OPTS", "--unified=0")
    history.write({"params.yaml": "cell: lstm", "new/a b.py": "added\n", "new/ü\n.py": "odd\n", "empty.py": ""})
    history.write({"metrics/test.json": "{1}", "dvc.lock": "b", "pipeline/dvc.lock": "b", "ignored": "x"})
    (history.path / "src/code.py").unlink()
    (history.path / "latin.txt").write_bytes(b"caf\xe9\r\n")
    (history.path / "link").symlink_to("params.yaml")
    history.git("add", "new/a b.py")  # some of it is in the index already
    subprocess.run(["git", "init", "--quiet", "nested"], cwd=history.path, check=True)
    before, commit = list_files(history.path / ".git"), history.git("rev-parse", "HEAD")
    patch = make_patch()
    assert list_files(history.path / ".git") == before
    history.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = History(tmp_path / "clone")
    clone.git("checkout", "--quiet", commit)
    clone.git("apply", "--index", text=patch)
    expected = {name: content for name, content in list_tree(history.path).items() if name not in ("ignored", "nested")}
    results = {"metrics/test.json": b"{}", "dvc.lock": b"a\n", "pipeline/dvc.lock": b"a\n"}
    assert list_tree(clone.path) == expected | results
    assert (clone.path / "link").is_symlink()
    assert module.git("rev-parse", "HEAD").strip() in clone.git("ls-files", "--stage", "module")


def test_new_tables_are_data_and_no_code(history: History) -> None:
    for name in ("customers.csv", "new/A.TSV.gz", "pipeline/b.jsonl", "c.parquet", "models/README.md"):
        history.write({name: "private\n"})
    assert make_patch() == b""
    assert describe_origin()["git.dirty"] == "false"
    history.git("add", "pipeline/b.jsonl", "models/README.md")
    history.git("commit", "--message", "second")
    history.write({"pipeline/b.jsonl": "changed\n", "models/README.md": "other\n"})
    tags = describe_origin()
    assert (tags["git.dirty"], tags["git.changed"]) == ("true", "pipeline/b.jsonl")
    assert b"+changed\n" in make_patch() and b"other" not in make_patch() and b"customers" not in make_patch()


def test_a_change_of_the_same_size_in_the_second_of_the_index_is_seen(history: History) -> None:
    """Git goes by size and whole seconds, unless the index is as young as the file."""
    history.git("config", "core.trustctime", "false")
    for content in ("cell: gru\n", "cell: rnn\n"):
        history.write({"params.yaml": content})
        os.utime(history.path / "params.yaml", (1_700_000_000, 1_700_000_000))
        if "gru" in content:
            history.git("update-index", "--refresh")
            os.utime(history.path / ".git/index", (1_700_000_000, 1_700_000_000))
    assert b"+cell: rnn\n" in make_patch()


def list_tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_is_large_is_withheld(history: History) -> None:
    history.write({"notes.txt": "x" * LIMIT_BYTES, "small.py": "x"})
    with pytest.raises(Withheld, match=r"^new files have more than 1,000,000 bytes, notes.txt alone 1,000,000$"):
        make_patch()
    (history.path / "notes.txt").unlink()
    history.write({"params.yaml": "".join(f"line {number}\n" for number in range(100_000))})
    with pytest.raises(Withheld, match=r"^it has more than 1,000,000 bytes$"):
        make_patch()


def test_a_run_has_its_patch_or_the_reason_why_not(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    store = connect("changed")
    history.write({"params.yaml": "cell: lstm\n"})
    run_id = create_run(store, "changed", describe_origin(), {})
    log_changes(store, run_id)
    kept = Path(store.client.download_artifacts(run_id, "code/changes.patch")).read_bytes()
    assert b"-cell: gru\n+cell: lstm\n" in kept
    assert store.client.get_run(run_id).data.tags["git.diff"] == hashlib.sha256(kept).hexdigest()
    assert capsys.readouterr().err == ""

    history.write({"src/code.py": "one\npassword = 'hunter22'\n"})
    run_id = create_run(store, "secret", describe_origin(), {})
    log_changes(store, run_id)
    told = "not kept: src/code.py, line 2, looks like a password or key"
    assert store.client.get_run(run_id).data.tags["git.diff"] == told
    assert store.client.list_artifacts(run_id) == []
    assert (
        capsys.readouterr().err
        == f"warning: the run lacks what is not committed ({told}), so it cannot be reproduced\n"
    )
    assert [path for path in history.path.glob("ml*/**/*") if path.is_file() and b"hunter22" in path.read_bytes()] == []


@pytest.mark.parametrize("error", [OSError("no room"), KeyError("a bug"), GitError("\udce9.txt " * 999)])
def test_whatever_fails_the_run_goes_on(
    history: History, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(*arguments: object) -> bytes:
        raise error

    store = connect("changed")
    monkeypatch.setattr(changes, "read_changes", fail)
    run_id = create_run(store, "unlucky", {}, {})
    log_changes(store, run_id)
    told = store.client.get_run(run_id).data.tags["git.diff"]
    reason = str(error) if isinstance(error, GitError) else f"{type(error).__name__}: {error}"
    assert told == f"not kept: {reason}".replace("\udce9", r"\udce9")[:5000]
    monkeypatch.setattr(store.client, "set_tag", fail)
    capsys.readouterr()
    log_changes(store, run_id)
    assert "warning: the run lacks the tag git.diff: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.org/me/headlines.git", "https://example.org/me/headlines.git"),
        ("https://me:hunter22@example.org/headlines.git?key=hunter22", "https://example.org/headlines.git"),
        ("https://hunter22@example.org/headlines.git", "https://example.org/headlines.git"),
        ("https://example.org/me@work/headlines.git", "https://example.org/me@work/headlines.git"),
        ("https://me:hun@ter22@example.org:8080/x", "https://example.org:8080/x"),
        ("https://example.org/x?y@z", "https://example.org/x"),
        ("HTTPS://me:hunter22@example.org/x#y", "https://example.org/x"),
        ("https://me:hun@ter/22@example.org/x", ""),
        ("https://me:hun/ter22@example.org/x", ""),
        ("https://[hunter22@example.org/x", ""),
        ("https:/me:hunter22@example.org/x", ""),
        ("git@example.org:me/headlines.git", "git@example.org:me/headlines.git"),
        ("ssh://git@example.org/headlines.git", "ssh://git@example.org/headlines.git"),
        ("ssh://me:hunter22@example.org/x", "ssh://…@example.org/x"),
        ("/srv/headlines.git", "/srv/headlines.git"),
        ("file:///srv/headlines.git", "file:///srv/headlines.git"),
    ],
)
def test_the_repository_is_told_without_password(history: History, url: str, kept: str) -> None:
    assert "mlflow.source.git.repoURL" not in describe_origin()
    history.git("remote", "add", "origin", url)
    assert describe_origin().get("mlflow.source.git.repoURL", "") == kept == remove_password(url)
