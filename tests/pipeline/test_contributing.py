"""The recipes of CONTRIBUTING.md: each is followed in a copy of the repository, and has the promised result."""

import json
import re

import pytest

from workspaces import ROOT, Workspace

pytestmark = pytest.mark.slow

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def follow(workspace: Workspace, title: str) -> dict[str, str]:
    """Make the changes of a recipe, then run its commands; return what each printed."""
    recipe = CONTRIBUTING.partition(f"### {title}\n")[2].partition("\n### ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)```", recipe, re.DOTALL)
    for kind, block in blocks:
        if kind == "diff":
            first, *lines = block.splitlines(keepends=True)
            old, new = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
            workspace.change(old, new, first.removeprefix("--- ").strip())
        elif kind == "python":
            name, _, content = block.removeprefix("# ").partition("\n")
            (workspace.path / name).write_text(content)
    commands = [line for kind, block in blocks if kind == "sh" for line in block.splitlines()]
    source = str(workspace.path / "src")  # not of this checkout, which is installed
    return {command: workspace.run("bash", "-c", command, PYTHONPATH=source).stdout for command in commands}


def test_every_recipe_is_followed() -> None:
    titles = re.findall(r"^### (.*)$", CONTRIBUTING, re.MULTILINE)
    assert titles == ["Add a cell", "Add a data set", "Add a stage", "Add a metric"]


def test_a_cell(quick_workspace: Workspace) -> None:
    tests, experiment, prediction = follow(quick_workspace, "Add a cell").values()
    assert " passed" in tests
    assert "Running stage 'evaluate'" in experiment
    assert json.loads((quick_workspace.path / "models" / "config.json").read_text())["cell"] == "relu"
    assert len(prediction.splitlines()) == 5  # the class, and the probability of each


def test_a_data_set(quick_workspace: Workspace) -> None:
    follow(quick_workspace, "Add a data set")
    summary = json.loads((quick_workspace.path / "metrics" / "data.json").read_text())
    assert summary["classes"] == {"number": 3, "place": 3}
    assert "https" not in (quick_workspace.path / "dvc.lock").read_text()


def test_a_stage(quick_workspace: Workspace) -> None:
    _, repro, table = follow(quick_workspace, "Add a stage").values()
    assert re.findall(r"Running stage '(\w+)'", repro) == ["lengths"]
    header, *rows = table.splitlines()
    assert header.startswith("label,count,mean") and len(rows) == 4
    assert "up to date" in quick_workspace.run("dvc", "repro").stdout


def test_a_metric(quick_workspace: Workspace) -> None:
    quick_workspace.change("enabled: false", "enabled: true")
    _, repro, difference, comparison = follow(quick_workspace, "Add a metric").values()
    assert re.findall(r"Running stage '(\w+)'", repro) == ["baseline", "evaluate"]
    network, linear = (
        json.loads((quick_workspace.path / "metrics" / f"{name}.json").read_text())["brier"]
        for name in ("test", "baseline")
    )
    assert re.search(r"test\.json +brier +- +" + f"{network:.5f}"[:5], difference)
    for value in (network, linear):
        assert f"{value:.4f}" in comparison
