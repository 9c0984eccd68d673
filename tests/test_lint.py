"""Style and types are checked before the tests and before each commit, by one command."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from ruamel.yaml import YAML

from workspaces import ROOT, Workspace

PYPROJECT = ROOT / "pyproject.toml"


def test_lint_runs_ruff_its_formatter_and_the_types(pristine: Workspace) -> None:
    lines = pristine.run("make", "--dry-run", "lint").stdout.splitlines()
    assert lines[-3:] == ["ruff check .", "ruff format --check .", "mypy"]


def test_the_gate_runs_lint_before_the_tests() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("&& make lint && exec make test")


def test_pre_commit_runs_lint_and_downloads_nothing() -> None:
    (repository,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["entry"], hook["language"]) == ("local", "make lint", "system")


def test_whoever_imports_the_package_gets_its_types() -> None:
    package_data = tomllib.loads(PYPROJECT.read_text())["tool"]["setuptools"]["package-data"]
    assert (ROOT / "src" / "unroll" / "py.typed").is_file() and "py.typed" in package_data["unroll"]


def test_types_are_checked_strictly(tmp_path: Path) -> None:
    mistakes = {
        "def double(value):\n    return 2 * value": "no-untyped-def",
        "def join(texts: list) -> str:\n    return ''.join(texts)": "type-arg",
        "one: int = 1  # type: ignore[assignment]  # for nothing": "unused-ignore",
        "two: int = ''  # type: ignore": "ignore-without-code",
    }
    (tmp_path / "room.py").write_text("\n".join([*mistakes, ""]))
    command = [sys.executable, "-m", "mypy", "--config-file", PYPROJECT, "--cache-dir", tmp_path / "cache", "room.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and re.findall(r"\[([a-z-]+)\]$", result.stdout, re.MULTILINE) == [*mistakes.values()]


def test_no_check_of_types_is_left_out_without_a_reason() -> None:
    left_out = [
        line.strip()
        for folder in ("src/unroll", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if "type: ignore" in line
    ]
    assert left_out
    assert not [line for line in left_out if not re.search(r"# type: ignore\[[a-z-]+\]  # \w.{10,}$", line)]
