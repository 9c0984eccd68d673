"""dvc.yaml names everything that a stage depends on."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from imports import PACKAGE, find_modules

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
NAMES = ["download", "preprocess", "split", "tokenize", "pretrain", "baseline", "train", "evaluate"]


def test_the_stages_are_those_of_the_package() -> None:
    assert list(STAGES) == NAMES
    files = {path.stem for path in (PACKAGE / "stages").glob("*.py")} - {"__init__"}
    assert files == set(NAMES)
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"PYTHONPATH=src python -m unroll.stages.{name}"


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_depends_on_every_module_that_it_imports_and_no_other(name: str) -> None:
    imported = {str(path.relative_to(ROOT)) for path in find_modules(PACKAGE / "stages" / f"{name}.py")}
    listed = {path for path in STAGES[name]["deps"] if path.endswith(".py")}
    assert listed == imported


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    module = tmp_path / "stage.py"
    module.write_text("def main():\n    from unroll.text import clean_text\n    import unroll.scores\n")
    assert {path.name for path in find_modules(module)} == {"stage.py", "text.py", "scores.py"}
    # tables.py imports files.py, which imports errors.py: found through it
    module.write_text("from unroll import tables\n")
    assert {path.name for path in find_modules(module)} == {"stage.py", "tables.py", "files.py", "errors.py"}


def test_what_one_stage_writes_is_what_the_next_ones_read() -> None:
    written = set()
    for stage in STAGES.values():
        for path in stage["deps"]:
            whole = {path, *map(str, Path(path).parents)}  # a file of a folder that a stage writes
            assert whole & written or (ROOT / path).exists(), path
        for kind in ("outs", "metrics"):
            written |= {next(iter(out)) if isinstance(out, dict) else out for out in stage.get(kind, [])}
    models = {path for path in written if path.startswith("models/")}
    assert models <= set(STAGES["evaluate"]["deps"])


def test_metrics_are_in_git() -> None:
    """So that `dvc metrics diff` and `dvc exp show` work in a clone that has pulled no data."""
    in_git = {}
    for stage in STAGES.values():
        for output in stage.get("metrics", []) + stage["outs"]:
            in_git |= output if isinstance(output, dict) else {}
    assert set(in_git) == {
        f"metrics/{name}.json"
        for name in ("data", "vectors", "baseline", "baseline_per_class", "train", "test", "per_class")
    }
    for path, options in in_git.items():
        assert options["cache"] is False
        assert (ROOT / path).is_file()
