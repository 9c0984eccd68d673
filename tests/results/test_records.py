"""Which branches and DVC experiments belong to the pipeline in the current folder."""

import subprocess
from pathlib import Path

import pytest

from histories import begin_history, make_files
from unroll.base.errors import InputError
from unroll.results.records import list_records, list_records_of
from workspaces import make_environment


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of two pipelines: an experiment in the root, one in the folder, one that has changed nothing."""

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", *arguments], cwd=tmp_path, env=make_environment(), text=True)

    def commit() -> str:
        git("add", "--all")
        git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return git("rev-parse", "HEAD").strip()

    git("init", "--quiet", "--initial-branch=main")
    folders = {"outer": tmp_path, "inner": tmp_path / "pipelines" / "hello"}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "params.yaml").write_text("model: {cell: gru}\n")
        (folder / "dvc.lock").write_text("stages: {}\n")
    start = commit()
    for name in ("outer", "inner", "repeated"):
        if name in folders:
            (folders[name] / "dvc.lock").write_text("stages: {train: {}}\n")
        git("update-ref", f"refs/exps/{start[:2]}/{start[2:]}/{name}", commit())
        git("reset", "--quiet", "--hard", start)
    return tmp_path


@pytest.mark.parametrize(("folder", "own"), [(".", "outer"), ("pipelines/hello", "inner")])
def test_experiments_of_other_folders_are_left_out(
    repository: Path, monkeypatch: pytest.MonkeyPatch, folder: str, own: str
) -> None:
    monkeypatch.chdir(repository / folder)
    assert [record.name for record in list_records()] == ["main", *sorted([own, "repeated"])]


def test_the_experiments_of_a_commit_are_found_merged_or_not_with_its_code_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = begin_history(tmp_path)
    monkeypatch.chdir(tmp_path)
    start = history.commit("start", make_files(0.81) | {"src/code.py": "1"})
    apart = history.save_experiment("apart", make_files(0.82, cell="rnn"))
    merged = history.save_experiment("merged", make_files(0.83, cell="lstm"))
    history.save_experiment("other-code", make_files(0.84) | {"src/code.py": "2"})
    history.save_experiment(
        "other-folder", {f"pipelines/waves/{name}": text for name, text in make_files(0.85).items()}
    )
    history.git("merge", "--quiet", "-s", "ours", "-m", "merge", merged)
    history.git("update-ref", "-d", f"refs/exps/{start[:2]}/{start[2:]}/merged")
    history.save_experiment("of-another-commit", make_files(0.86))
    found = {record.name: record.params["model.cell"] for record in list_records_of("main~1")}
    assert found == {start: "gru", apart: "rnn", merged: "lstm"}
    with pytest.raises(InputError, match="'nowhere' is no branch"):
        list_records_of("nowhere")
