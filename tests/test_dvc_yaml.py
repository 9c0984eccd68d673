"""dvc.yaml names everything that a stage depends on."""

import ast
from pathlib import Path
from typing import Any

import pytest

from imports import PACKAGE, find_modules
from workspaces import fill_in_params

ROOT = Path(__file__).parents[1]
TEXT = ["download", "preprocess", "split", "tokenize", "pretrain", "baseline", "train", "evaluate"]
PIPELINES = {  # folder → its stages
    ".": TEXT,
    "pipelines/imdb": TEXT,
    "pipelines/mnist": ["download", "split", "train", "evaluate"],
    "pipelines/sine": ["generate", "train", "evaluate"],
    "pipelines/sin2cos": ["generate", "train", "evaluate"],
    "pipelines/hello": ["generate", "train", "evaluate"],
}
CARD = "models/README.md"
EACH_STAGE = [(folder, stage) for folder, stages in PIPELINES.items() for stage in stages]


def read_stages(folder: str) -> dict[str, Any]:
    return fill_in_params(ROOT / folder)["stages"]


def find_module(folder: str, stage: str) -> Path:
    """Return the file of the stage's module, which its command names."""
    module = read_stages(folder)[stage]["cmd"].split()[-1]
    return PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")


def find_code(folder: str, stage: str) -> set[Path]:
    """Return the rooms and files of the package that a stage depends on."""
    paths = {(ROOT / folder / path).resolve() for path in read_stages(folder)[stage]["deps"]}
    return {path for path in paths if path.is_relative_to(PACKAGE)}


def test_every_pipeline_is_here() -> None:
    assert {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("pipelines/*/dvc.yaml")} | {"."} == set(PIPELINES)
    modules = {find_module(*stage) for stage in EACH_STAGE}
    others = {*(PACKAGE / "stages").rglob("__init__.py"), PACKAGE / "stages" / "recipe.py"}
    assert modules == set((PACKAGE / "stages").rglob("*.py")) - others


@pytest.mark.parametrize("folder", PIPELINES)
def test_stages_run_the_code_of_their_checkout(folder: str) -> None:
    assert list(read_stages(folder)) == PIPELINES[folder]
    for stage in read_stages(folder).values():
        assert stage["cmd"].startswith("PYTHONPATH=src python -m unroll.stages.")
    assert (ROOT / folder / "src").resolve() == ROOT / "src"


@pytest.mark.parametrize(("folder", "stage"), EACH_STAGE)
def test_a_stage_depends_on_every_module_that_it_imports(folder: str, stage: str) -> None:
    """Except tracking, unless it is declared: it changes nothing in what the stage computes."""
    declared = find_code(folder, stage)
    without = "" if PACKAGE / "tracking" in declared else "tracking"
    imported = find_modules(find_module(folder, stage), without)
    assert [path for path in imported if path not in declared and not declared & set(path.parents)] == []


@pytest.mark.parametrize(("folder", "stage"), EACH_STAGE)
def test_a_stage_depends_on_no_room_or_module_that_it_does_not_import(folder: str, stage: str) -> None:
    imported = find_modules(find_module(folder, stage))
    used = imported | {parent for path in imported for parent in path.parents}
    assert find_code(folder, stage) - used == set()


def test_packages_hold_no_code() -> None:
    """So it does not matter that no stage depends on them; that of the stages runs two lines of base before each."""
    of_stages = [
        "from unroll.base.portable import fix_dispatch",
        "from unroll.base.process import collect_rarely",
        "fix_dispatch()",
        "collect_rarely()",
    ]
    for path in PACKAGE.rglob("__init__.py"):
        docstring, *code = ast.parse(path.read_text()).body
        assert isinstance(docstring, ast.Expr)
        assert list(map(ast.unparse, code)) == (of_stages if path.parent.name == "stages" else [])


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    module = tmp_path / "stage.py"
    module.write_text(
        "def main():\n    from unroll.base.files import read_json\n    import unroll.evaluation.validation\n"
    )
    # files.py imports errors.py: found through it
    assert {path.name for path in find_modules(module)} == {"stage.py", "files.py", "errors.py", "validation.py"}
    module.write_text("from unroll.data import parquet\n")
    assert {path.name for path in find_modules(module)} == {"stage.py", "parquet.py", "files.py", "errors.py"}


@pytest.mark.parametrize("folder", PIPELINES)
def test_what_one_stage_writes_is_what_the_next_ones_read(folder: str) -> None:
    written, stages = set(), read_stages(folder)
    for stage in stages.values():
        for path in stage["deps"]:
            whole = {path, *map(str, Path(path).parents)}  # a file of a folder that a stage writes
            assert whole & written or (ROOT / folder / path).exists(), path
        for kind in ("outs", "metrics"):
            written |= {next(iter(out)) if isinstance(out, dict) else out for out in stage.get(kind, [])}
    models = {path for path in written if path.startswith("models/")}
    assert models - {CARD} <= set(stages["evaluate"]["deps"])


@pytest.mark.parametrize("folder", PIPELINES)
def test_metrics_are_in_git(folder: str) -> None:
    """So that `dvc metrics diff` and `dvc exp show` work in a clone that has pulled no data."""
    in_git = {}
    for stage in read_stages(folder).values():
        for output in stage.get("metrics", []) + stage.get("outs", []):
            in_git |= output if isinstance(output, dict) else {}
    names = {"train", "test"} | ({"per_class"} if "split" in PIPELINES[folder] else set())
    if PIPELINES[folder] == TEXT:
        names |= {"data", "tokens", "vectors", "baseline", "baseline_per_class"}
    cards = {CARD} if PIPELINES[folder] == TEXT else set()
    assert set(in_git) == {f"metrics/{name}.json" for name in names} | cards
    for path, options in in_git.items():
        assert options["cache"] is False
        assert (ROOT / folder / path).is_file()
