"""`unroll reproduce`: from a commit, an experiment or a run alone to the same bytes, or to what differs."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from servers import serve
from workspaces import Workspace, build_once, find_free_port, set_params

pytestmark = pytest.mark.slow

# A pipeline of two stages that start fast. `count` notes that it ran; what is `learned` depends on a parameter.
STAGES = """stages:
  download:
    cmd: cp ../table.csv raw.csv
    deps: [../table.csv]
    outs: [raw.csv]
  count:
    cmd: python count.py
    deps: [raw.csv, count.py]
    outs: [model.txt, metrics/test.json: {cache: false}]
"""
# As a team sets it: a remote, and a cache that repositories share.
SETTINGS = """['remote "storage"']
    url = ../../storage
[core]
    remote = storage
    analytics = false
[cache]
    dir = ../../shared
"""
COUNT = """import json, os, pathlib
rows = pathlib.Path("raw.csv").read_text().splitlines()
pathlib.Path("model.txt").write_text(str(len(rows)))
pathlib.Path("metrics").mkdir(exist_ok=True)
pathlib.Path("metrics/test.json").write_text(json.dumps({"rows": len(rows), "scores": {"share": 0.5}}))
with open(os.environ.get("RAN", os.devnull), "a") as file:
    file.write("ran\\n")
"""


@dataclass(frozen=True)
class Team:
    """A repository with a remote of DVC's, a table outside, and a cache that several repositories share."""

    repository: Workspace
    source: Path
    elsewhere: Workspace  # an empty folder

    def reproduce(self, *arguments: str, code: int = 0, **environment: str) -> list[str]:
        """Run `unroll reproduce` in the empty folder; return the lines it prints."""
        command = ("unroll", "reproduce", "--repository", str(self.repository.path), *arguments)
        result = self.elsewhere.run(*command, check=False, **environment)
        assert result.returncode == code, result.stdout
        return result.stdout.splitlines()


def list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The folder with the table and the repository, committed. Do not change it: copy it."""

    def build(path: Path) -> Workspace:
        repository = Workspace(path / "repository")
        for name in ("repository", "elsewhere"):
            (path / name).mkdir(parents=True)
        (path / "table.csv").write_text("a\nb\nc\n")
        repository.run("git", "init", "--quiet", "--initial-branch=main")
        repository.run("dvc", "init", "--quiet")
        (repository.path / ".dvc/config").write_text(SETTINGS)
        (repository.path / "dvc.yaml").write_text(STAGES)
        (repository.path / "count.py").write_text(COUNT)
        repository.run("dvc", "repro")
        repository.commit()
        return Workspace(path)

    return build_once(tmp_path_factory, "team", build)


@pytest.fixture
def team(built: Workspace, tmp_path: Path) -> Team:
    path = built.copy_to(tmp_path / "team").path
    return Team(Workspace(path / "repository"), path / "table.csv", Workspace(path / "elsewhere"))


def test_a_commit_comes_to_the_same_bytes_and_nothing_is_taken_from_caches(team: Team) -> None:
    shared, ran = team.source.with_name("shared"), team.source.with_name("ran")
    before = list_files(shared)
    told = team.reproduce("main", RAN=str(ran), DVC_ROOT="/", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert told[-3:] == [
        "download    1 output, the same bytes",
        "count       2 outputs, the same bytes",
        "the same bytes: 3 outputs of 2 stages, those of main",
    ]
    assert [line.split()[0] for line in told[:-3]] == ["repository", "commit", "pipeline", "running", "running"]
    assert ran.read_text() == "ran\n"
    assert list_files(shared) == before != []
    assert (team.elsewhere.path / ".dvc/cache/files").is_dir()

    # An experiment, which a clone does not have; in a new folder.
    team.repository.change('"share": 0.5', '"share": 0.75', "count.py")
    team.repository.run("dvc", "exp", "run", "--name", "bold-one")
    team.repository.run("git", "checkout", "--quiet", "--force", "main")
    assert team.reproduce("bold-one", "--folder", "../new")[-1].endswith("outputs of 2 stages, those of bold-one")
    assert '"share": 0.75' in (team.source.with_name("new") / "metrics/test.json").read_text()


def test_what_differs_is_named_with_the_difference_of_its_figures(team: Team) -> None:
    folder = team.repository.path
    test = json.dumps({"rows": 4, "scores": {"share": 0.5}})
    lock = (folder / "dvc.lock").read_text()
    made = json.loads((folder / "metrics/test.json").read_text())
    (folder / "metrics/test.json").write_text(test)
    team.repository.run("dvc", "commit", "--force")
    assert (folder / "dvc.lock").read_text() != lock and made["rows"] == 3
    team.repository.commit()
    told = team.reproduce("HEAD", code=1)
    assert any(line.startswith("count       metrics/test.json differs: MD5 ") for line in told)
    assert "figures     metrics/test.json rows: 3, expected 4, a difference of -1" in told
    assert told[-1] == ("error: different: metrics/test.json of count is the one output that differs from HEAD")


def test_what_has_lost_its_source_is_pulled(team: Team) -> None:
    team.source.unlink()
    told = team.reproduce("main", code=1)
    assert told[-1].startswith("error: download: failed to reproduce") and "nor could raw.csv be pulled" in told[-1]

    team.repository.run("dvc", "push")
    told = team.reproduce("main", "--folder", "again")
    assert any(line.startswith("pulled      raw.csv, as download cannot run here: ") for line in told)
    assert told[-3:] == [
        "download    1 output, the same bytes (pulled, not made)",
        "count       2 outputs, the same bytes",
        "the same bytes: 2 outputs of 1 stage, those of main",
    ]


def test_if_nothing_could_be_made_nothing_is_the_same(team: Team) -> None:
    folder = team.repository.path
    (folder / "dvc.yaml").write_text(STAGES.partition("  count:")[0])
    (folder / "dvc.lock").unlink()
    team.repository.run("dvc", "repro")
    team.repository.run("dvc", "push")
    team.repository.commit()
    team.source.unlink()
    assert team.reproduce("HEAD", code=1)[-1] == "error: nothing of HEAD could be made and compared"


def test_a_failing_stage_is_told_and_the_clone_is_kept(team: Team) -> None:
    team.repository.change("import json", 'raise SystemExit("error: no luck")\nimport json', "count.py")
    team.repository.commit()
    assert team.reproduce("HEAD", code=1)[-1] == "error: count: no luck"
    assert (team.elsewhere.path / "raw.csv").is_file()


def test_other_packages_are_installed_as_the_commit_sets_them_up(team: Team) -> None:
    folder = team.repository.path
    (folder / "src").mkdir()
    (folder / "src/requirements-compute.txt").write_text("torch==0.0.1\n")
    # In the place of an environment, which would take minutes: this one under another name.
    recipe = "mkdir -p .venv/bin && printf '#!/bin/sh\\nexec $(PYTHON) \"$$@\"' > .venv/bin/python"
    (folder / "Makefile").write_text(f"setup:\n\t{recipe} && chmod +x .venv/bin/python\n")
    (folder / ".gitignore").write_text("/.venv\n/raw.csv\n/model.txt\n")
    team.repository.commit()
    told = team.reproduce("HEAD")
    assert any(line.startswith("packages    ") and "torch 2." in line and "expected 0.0.1" in line for line in told)
    assert (team.elsewhere.path / ".venv/bin/python").is_file() and told[-1].startswith("the same bytes: 3 outputs")


def find_run(uri: str) -> Run:
    client = MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("hello").experiment_id])
    return run


@pytest.fixture(params=["SQLite", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param == "server":
            port = find_free_port()
            stack.enter_context(serve(tmp_path, port))
            yield f"http://127.0.0.1:{port}"
        else:
            yield f"sqlite:///{tmp_path / 'team.db'}"


def test_a_run_of_a_changed_tree_is_made_again_from_its_id(pristine: Workspace, tmp_path: Path, store: str) -> None:
    """By `dvc repro` with a store in SQLite; by `dvc exp run --temp` with a server."""
    bare, workspace = Workspace(tmp_path / "remote.git"), Workspace(tmp_path / "clone")
    pristine.run("git", "clone", "--quiet", "--bare", ".", str(bare.path))
    bare.run("git", "clone", "--quiet", str(bare.path), str(workspace.path))
    pipeline = Workspace(workspace.path / "pipelines/hello")
    workspace.change("letters = sorted(", "letters = order(", "src/unroll/stages/hello/generate.py")
    code = "from unroll.sequences.order import order\n"
    workspace.change("from unroll.base.files", f"{code}from unroll.base.files", "src/unroll/stages/hello/generate.py")
    (workspace.path / "src/unroll/sequences/order.py").write_text("def order(x):\n    return sorted(x)[::-1]\n")
    if store.startswith("http"):
        workspace.run("git", "add", "src/unroll/sequences/order.py")  # the queue sees what Git tracks
        pipeline.run("dvc", "exp", "run", "--temp", "-S", "data.target=olhol", "train", MLFLOW_TRACKING_URI=store)
    else:
        set_params(pipeline, "data", target="olhol")
        pipeline.run("dvc", "repro", MLFLOW_TRACKING_URI=store)
    compared = "3 outputs of 2 stages" if store.startswith("http") else "4 outputs of 3 stages"
    run = find_run(store)
    tags = run.data.tags
    assert tags["git.dirty"] == "true" and len(tags["git.diff"]) == 64
    assert tags["mlflow.source.git.repoURL"] == str(bare.path)

    elsewhere = Workspace(tmp_path / "elsewhere")
    elsewhere.path.mkdir()
    told = elsewhere.run("unroll", "reproduce", run.info.run_id, MLFLOW_TRACKING_URI=store).stdout.splitlines()
    assert told[0] == f"repository  {bare.path}"
    assert told[2].startswith("changes     3 files changed, ")
    assert told[-1] == f"the same bytes: {compared}, those of run {run.info.run_id}"
    own = find_run(f"sqlite:///{elsewhere.path / 'mlflow.db'}")  # and none more in the team's store
    assert find_run(store).info.run_id == run.info.run_id != own.info.run_id
    assert own.data.tags["model_md5"] == tags["model_md5"] != find_committed_md5(pristine)


def find_committed_md5(workspace: Workspace) -> str:
    lock = (workspace.path / "pipelines/hello/dvc.lock").read_text()
    return lock.partition("models/model.safetensors\n      hash: md5\n      md5: ")[2][:32]
