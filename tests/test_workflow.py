"""The workflow for pull requests runs targets of the Makefile, with no more rights than it needs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from workspaces import ROOT, Workspace

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def read_commands() -> list[str]:
    jobs = YAML(typ="safe").load(WORKFLOW)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def mark_as_set_up(workspace: Workspace) -> None:
    """Let make find the environment of these tests in place of one of its own."""
    (workspace.path / ".venv").mkdir()
    for name in (".installed", ".developing"):
        (workspace.path / ".venv" / name).touch()


def test_each_command_is_a_target_of_the_makefile(pristine: Workspace) -> None:
    commands = [
        re.fullmatch(r'make (?:--silent )?([a-z-]+)( >> "\$GITHUB_STEP_SUMMARY")?', run) for run in read_commands()
    ]
    assert all(commands)
    assert {command[1] for command in commands} == {"lint", "repro", "report", "test"}
    for command in commands:
        pristine.run("make", "--dry-run", command[1])


@pytest.mark.slow
def test_the_report_goes_to_the_requests_summary(workspace: Workspace, tmp_path: Path) -> None:
    mark_as_set_up(workspace)
    (command,) = [run for run in read_commands() if "report" in run]
    path = workspace.path / "metrics" / "test.json"
    path.write_text(re.sub(r'"macro_f1": [\d.]+', '"macro_f1": 0.5', path.read_text()))
    summary = tmp_path / "summary.md"
    workspace.run("bash", "-c", command, GITHUB_STEP_SUMMARY=str(summary), BASE="HEAD")
    text = summary.read_text()
    assert re.search(r"^\| metrics/test.json +\| macro_f1 +\| 0\.\d+ +\| 0.5 +\|", text, re.MULTILINE)
    assert text.startswith("## Metrics, compared with HEAD\n") and text.endswith("workflow run.\n")
    assert all(f"\n### {folder}\n\n| Path" in text for folder in (".", "pipelines/hello", "pipelines/sine"))
    assert "learning curves" in (workspace.path / "dvc_plots" / "index.html").read_text()
    result = workspace.run("make", "--silent", "report", "BASE=no-such-commit", check=False)
    assert result.returncode and "unknown Git revision 'no-such-commit'" in result.stdout


def test_zizmor_finds_no_right_too_many_and_no_action_that_may_change() -> None:
    command = [Path(sys.executable).with_name("zizmor"), "--offline", "--pedantic", WORKFLOW]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
