"""What an MLflow run says of how it was made, and why some runs cannot be made again; the store is real SQLite."""

import hashlib
from pathlib import Path

import pytest

from unroll.base.errors import InputError
from unroll.results.wanted import find_run
from unroll.tracking.runs import create_run
from unroll.tracking.store import Store, connect

COMMIT, MD5 = "c" * 40, "d" * 32
PATCH = b"diff --git a/x b/x\n\xff"
CLEAN = {
    **{"mlflow.source.git.commit": COMMIT, "mlflow.source.git.repoURL": "https://example.org/x", "git.dirty": "false"},
    **{"model_md5": MD5, "dvc.md5.data/clean": f"{MD5}.dir", "portable": "yes"},
}
DIRTY = CLEAN | {"git.dirty": "true", "git.changed": "params.yaml", "git.diff": hashlib.sha256(PATCH).hexdigest()}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return connect("waves")


def make_run(store: Store, folder: Path, tags: dict[str, str], **files: bytes) -> str:
    """Make a run with files: `code/changes.patch` is called `code`, and `metrics/test.json`, `metrics`."""
    run_id = create_run(store, "run", tags, {})
    for name, file in {"code": "changes.patch", "metrics": "test.json"}.items():
        if name in files:
            (folder / file).write_bytes(files[name])
            store.client.log_artifact(run_id, str(folder / file), name)
    return run_id


def test_a_run_says_where_it_comes_from_and_what_came_out(store: Store, tmp_path: Path) -> None:
    run_id = make_run(store, tmp_path, CLEAN, metrics=b'{"rmse": 0.5}')
    wanted = find_run(run_id, "")
    assert (wanted.name, wanted.commit, wanted.repository) == (f"run {run_id}", COMMIT, "https://example.org/x")
    assert (wanted.experiment, wanted.patch, wanted.tags["portable"]) == ("waves", b"", "yes")
    assert wanted.expected.outputs == {"models/model.safetensors": MD5, "data/clean": f"{MD5}.dir"}
    assert wanted.expected.files == {"metrics/test.json": b'{"rmse": 0.5}'}
    assert find_run(make_run(store, tmp_path, DIRTY, code=PATCH), "").patch == PATCH


def test_the_store_may_be_that_of_a_given_repository(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make_run(store, tmp_path, CLEAN)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(
        InputError, match=r"there is no .*elsewhere/mlflow.db: set MLFLOW_TRACKING_URI to the store .* MD5 "
    ):
        find_run(run_id, "")
    assert list(Path().iterdir()) == []
    assert find_run(run_id, str(tmp_path)).commit == COMMIT


NO_PATCH = {name: value for name, value in DIRTY.items() if name != "git.diff"}
REFUSED = {
    "the lack of a model": (
        {"mlflow.source.git.commit": COMMIT},
        None,
        r"\(running\) has come to no model, so",
    ),
    "no commit": ({"model_md5": MD5}, None, "does not say which commit it was made from"),
    "no hash": (CLEAN | {"mlflow.source.git.commit": "--help"}, None, "does not say which commit it was made from"),
    "an old run": (NO_PATCH, None, "changes to params.yaml, which were not kept with it: no run had one then$"),
    "a secret": (
        DIRTY | {"git.diff": "not kept: a.py, line 3, looks like a token"},
        None,
        "changes to params.yaml, which were not kept with it: a.py, line 3, looks like a token$",
    ),
    "a lost patch": (DIRTY, None, "its code/changes.patch is missing or damaged"),
    "another patch": (DIRTY, PATCH + b"\n+hostile", "its code/changes.patch is missing or damaged"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_run_that_cannot_be_made_again_is_told(store: Store, tmp_path: Path, why: str) -> None:
    tags, patch, told = REFUSED[why]
    run_id = make_run(store, tmp_path, tags, **({"code": patch} if patch else {}))
    with pytest.raises(InputError, match=f"^run {run_id}.*{told}"):
        find_run(run_id, "")


def test_a_run_that_is_not_there_is_told(store: Store) -> None:
    with pytest.raises(
        InputError, match=f"^MLflow's store sqlite:.* has no run {'0' * 32}; if it is the MD5 of an output, `unroll"
    ):
        find_run("0" * 32, "")
