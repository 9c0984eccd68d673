"""Every stage is run with only what dvc.yaml declares, and must give the same bytes.

That finds whatever it reads, in whatever way, and modules wherever they are imported. A second run, with everything
there, notes what is opened and which parameters are read.

What is not a dependency, by design: parameters under `tracking`, what only MLflow's pages show, and the copy of the
package and of models/ that MLflow gets of a training, so that a changed module of inference does not train anew.
"""

import os
import re
import shutil
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from imports import PACKAGE, find_modules
from tracing import Run, run_stage
from workspaces import ROOT, Workspace, fill_in_params, set_params

pytestmark = pytest.mark.slow
TEXTS = {"pretrain": {"epochs": 1, "least_words": 0}, "train": {"epochs": 1}}
SEQUENCES = {"train": {"epochs": 1}}
# Each pipeline, shortened; and again with parameters that make stages take other paths, as far as the named stage.
CASES = {
    "headlines": (".", TEXTS, "evaluate"),
    "imdb": ("pipelines/imdb", TEXTS, "evaluate"),
    "mnist": ("pipelines/mnist", SEQUENCES, "evaluate"),
    "sine": ("pipelines/sine", SEQUENCES, "evaluate"),
    "sin2cos": ("pipelines/sin2cos", SEQUENCES, "evaluate"),
    "hello": ("pipelines/hello", SEQUENCES, "evaluate"),
    "a table": (
        ".",
        {
            "data": {"dataset": "csv", "file": "{files}/train.csv", "test_file": "{files}/test.csv"},
            "preprocess": {"brackets": "drop", "numbers": "mask", "punctuation": "keep", "stop_words": "drop"}
            | {"stemming": "porter"},
            "split": {"method": "hash"},
            "tokenize": {"level": "bpe", "vocabulary_size": 500},
            "pretrain": {"method": "none"},
            "model": {"embeddings": "{files}/vectors.txt", "embedding_size": 2, "layers": 2, "pooling": "attention"}
            | {"freeze_embeddings": 1, "cell": "lstm"},
            "train": {"epochs": 2, "class_weights": True, "log_gradients": True, "weight_average": 0.0},
        },
        "evaluate",
    ),
    "AG News": (".", {"data": {"dataset": "ag_news", "file": "{files}/ag_news.csv"}}, "preprocess"),
    "reviews": ("pipelines/imdb", {"data": {"dataset": "imdb", "file": "{files}/aclImdb_v1.tar.gz"}}, "preprocess"),
    "stateless": (
        "pipelines/sin2cos",
        {"model": {"unrolled": True, "cell": "lstm"}, "train": {"epochs": 1, "carry_state": False}},
        "evaluate",
    ),
}
LONG = ("imdb", "a table", "AG News", "reviews", "stateless")
TRACKED = ("baseline", "evaluate")  # these read again what they log to MLflow
# What logs, and the module that serves a model that MLflow registers: no dependencies of the stages.
LOGGING = sorted(
    str(path.relative_to(ROOT))
    for name in ("mlflow_model", "baseline")
    for path in find_modules(PACKAGE / "tracking" / f"{name}.py")
)


def write_files(folder: Path) -> None:
    """Write the files that a pipeline's parameters may name, which are no stage's dependencies."""
    folder.mkdir()
    lines = (ROOT / "data" / "sample" / "headlines.csv").read_text().splitlines(keepends=True)
    (folder / "train.csv").write_text("".join(lines[:300]))
    (folder / "test.csv").write_text("".join(lines[:1] + lines[-60:]))
    (folder / "ag_news.csv").write_text("".join(f"{n % 4 + 1},Title {n},Description {n}\n" for n in range(40)))
    (folder / "vectors.txt").write_text("a 0.5 1.5\nthe 1.5 0.5\ns 0.25 1\n")
    with tarfile.open(folder / "aclImdb_v1.tar.gz", "w:gz") as archive:
        for number in range(40):
            review = f"review number {number}".encode()
            label, part = ("neg", "pos")[number % 2], ("train", "test")[number % 4 // 2]
            member = tarfile.TarInfo(f"aclImdb/{part}/{label}/{number}_1.txt")
            member.size = len(review)
            archive.addfile(member, BytesIO(review))


def prepare(all_pipelines: Workspace, tmp_path: Path, case: str) -> tuple[Workspace, str]:
    """Return a copy of the repository after it has run, with the parameters of the case, and the pipeline's folder."""
    folder, changes, _ = CASES[case]
    workspace, files = Workspace(tmp_path / "whole"), tmp_path / "files"
    parts = ("data", "models", "metrics", "params.yaml", "dvc.yaml")
    for name in {"src", *(os.path.normpath(f"{folder}/{part}") for part in (*parts, "src"))}:
        copy(all_pipelines.path / name, workspace.path / name)
    write_files(files)
    for section, values in changes.items():
        filled = {name: v.format(files=files) if isinstance(v, str) else v for name, v in values.items()}
        set_params(Workspace(workspace.path / folder), section, **filled)
    return workspace, folder


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


def read_stages(workspace: Workspace, folder: str) -> dict[str, Any]:
    return fill_in_params(workspace.path / folder)["stages"]


def list_paths(stage: dict[str, Any], folder: str, *kinds: str) -> list[str]:
    """Return the paths that a stage declares, from the root."""
    paths = [next(iter(path)) if isinstance(path, dict) else path for kind in kinds for path in stage.get(kind, [])]
    return [os.path.normpath(Path(folder) / path) for path in paths]


def run_alone(workspace: Workspace, folder: str, stage: dict[str, Any], target: Path, store: str) -> Run:
    """Run a stage in a folder that holds its dependencies and parameters; store: of MLflow, or "" for none."""
    paths = [*list_paths(stage, folder, "deps"), f"{folder}/params.yaml"]
    if store:
        paths += [os.path.normpath(Path(folder) / path) for path in LOGGING]
    for path in dict.fromkeys(paths):
        if not (target / path).exists():
            copy(workspace.path / path, target / path)
    for package in (workspace.path / folder / "src").rglob("__init__.py"):  # without these, Python looks elsewhere
        if (target / package.relative_to(workspace.path)).parent.is_dir():
            (target / package.relative_to(workspace.path)).touch()
    set_params(Workspace(target / folder), "tracking", enabled=bool(store), experiment="traced")
    return run_stage(stage["cmd"].split()[-1], target, folder, {"MLFLOW_TRACKING_URI": store} if store else {})


def run_traced(workspace: Workspace, folder: str, stage: dict[str, Any]) -> Run:
    """Run a stage as DVC does, in the workspace, with all else there."""
    for path in list_paths(stage, folder, "outs", "metrics"):
        remove = shutil.rmtree if (workspace.path / path).is_dir() else Path.unlink
        remove(workspace.path / path)
    set_params(Workspace(workspace.path / folder), "tracking", enabled=False)
    run = run_stage(stage["cmd"].split()[-1], workspace.path, folder, {}, traced=True)
    assert run.code == 0, run.output
    return run


def find_faults(workspace: Workspace, folder: str, name: str, store: str = "") -> list[str]:
    """Run a stage alone and with all else there; say what it reads undeclared, and what is not the same."""
    stage, alone = read_stages(workspace, folder)[name], workspace.path.parent / f"{name} alone"
    run = run_alone(workspace, folder, stage, alone, store if name in TRACKED else "")
    if run.code:
        return [f"{name} fails with nothing but its deps: {run.output}"]
    run = run_traced(workspace, folder, stage)
    outputs = list_paths(stage, folder, "outs", "metrics")
    different = [path for path in outputs if read_files(alone / path) != read_files(workspace.path / path)]
    deps = [*list_paths(stage, folder, "deps"), os.path.normpath(f"{folder}/params.yaml")]
    files = {path for path in run.files if not path.endswith("__init__.py") and not is_declared(path, deps, "/")}
    params = {path for path in run.params if not is_declared(path, [*stage.get("params", []), "tracking"], ".")}
    return [
        *(f"{name} writes another {path} with nothing but its deps" for path in different),
        *(f"{name} opens {path}: not among its deps" for path in sorted(files)),
        *(f"{name} reads {path}: not among its params" for path in sorted(params)),
    ]


def is_declared(path: str, declared: list[str], separator: str) -> bool:
    return any(path == one or path.startswith(one + separator) for one in declared)


def read_files(path: Path) -> dict[str, bytes]:
    """Return the content of a file, or of each file of a folder."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.exhaustive if case in LONG else ()) for case in CASES]
)
def test_stages_read_what_they_declare_and_nothing_else(all_pipelines: Workspace, tmp_path: Path, case: str) -> None:
    workspace, folder = prepare(all_pipelines, tmp_path, case)
    store = shutil.copy2(all_pipelines.path / "mlflow.db", tmp_path / "mlflow.db")
    names = list(read_stages(workspace, folder))
    names = names[: names.index(CASES[case][2]) + 1]
    assert [fault for name in names for fault in find_faults(workspace, folder, name, f"sqlite:///{store}")] == []


@pytest.mark.parametrize(
    ("case", "name", "kind", "missing", "fault"),
    [
        ("headlines", "evaluate", "deps", "metrics/baseline.csv", "fails .* error: metrics/baseline.csv: No such file"),
        ("headlines", "pretrain", "deps", "models/tokenizer.json", "fails .* error: models/tokenizer.json is missing"),
        ("headlines", "split", "deps", "data/clean", "fails .*Failed to open local file .data/clean/rows"),
        ("a table", "preprocess", "deps", "src/unroll/text", "fails .* No module named 'unroll.text'"),
        ("headlines", "split", "deps", "src/requirements-compute.txt", "opens src/requirements-compute.txt: not among"),
        (
            "sine",
            "evaluate",
            "deps",
            "src/unroll/sequences/waves.py",
            "fails .* No module named 'unroll.sequences.waves'",
        ),
        ("headlines", "split", "params", "split", "reads split.method: not among its params"),
        ("headlines", "evaluate", "params", "train", "reads train.threads: not among its params"),
        ("hello", "train", "params", "model", "reads model: not among its params"),
    ],
)
def test_what_is_missing_in_dvc_yaml_is_found(
    all_pipelines: Workspace, tmp_path: Path, case: str, name: str, kind: str, missing: str, fault: str
) -> None:
    workspace, folder = prepare(all_pipelines, tmp_path, case)
    path = workspace.path / folder / "dvc.yaml"
    content = YAML(typ="safe").load(path)
    content["stages"][name][kind].remove(missing)
    YAML(typ="safe").dump(content, path)
    faults = find_faults(workspace, folder, name)
    assert any(re.search(f"^{name} {fault}", found, re.DOTALL) for found in faults), faults


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("read_text_params().train.seed", "split reads train.seed: not among its params"),
        ("read_text_params().data.model_dump()", "split reads data: not among its params"),
        ("open('metrics/data.json').close()", "split fails with nothing but its deps: "),
        ("Path('metrics/data.json').exists() and open('metrics/data.json')", "split opens metrics/data.json: not"),
        # No file is opened, nothing fails: only the rows differ.
        (
            "params = params.model_copy(update={'seed': int(Path('models').exists())})",
            "split writes another data/splits",
        ),
        ("import unroll.evaluation.scores", "split fails with nothing but its deps: "),
    ],
)
def test_what_a_stage_reads_undeclared_is_found(
    all_pipelines: Workspace, tmp_path: Path, code: str, fault: str
) -> None:
    workspace, folder = prepare(all_pipelines, tmp_path, "headlines")
    read = "    params = read_text_params().split\n"
    workspace.change(read, f"{read}    {code}\n", "src/unroll/stages/split.py")
    faults = find_faults(workspace, folder, "split")
    assert len(faults) == 1 and faults[0].startswith(fault), faults
