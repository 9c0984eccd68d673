"""The commands of the README, and of the page on experiments after it, exist and run in this order."""

import os
import re
from pathlib import Path

import pytest

from workspaces import QUEUE_GRID, ROOT, START_QUEUE, Workspace

README = (ROOT / "README.md").read_text()


def find_commands(document: str) -> list[str]:
    """Return the lines of a document's blocks of shell commands, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
    return [line.split(" #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


COMMANDS = find_commands(README) + find_commands((ROOT / "docs" / "experiments.md").read_text())


def test_the_commands_are_those_this_test_knows_how_to_run() -> None:
    assert len(COMMANDS) > 12
    assert {command.split()[0] for command in COMMANDS} == {"make", "source", "git", "dvc", "gto", "unroll"}


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 180


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))))
def test_make_targets_exist_and_are_listed(pristine: Workspace, target: str) -> None:
    pristine.run("make", "--dry-run", target)
    assert f"make {target} " in pristine.run("make", "help").stdout


def test_a_set_up_repository_reinstalls_nothing(pristine: Workspace, tmp_path: Path) -> None:
    workspace = pristine.copy_to(tmp_path / "repository")
    assert "pip install" in workspace.run("make", "--dry-run", "repro").stdout
    (workspace.path / ".venv").mkdir()
    installed = workspace.path / ".venv" / ".installed"
    installed.touch()
    assert "pip install" not in workspace.run("make", "--dry-run", "repro").stdout
    later = installed.stat().st_mtime + 1
    os.utime(workspace.path / "requirements.txt", (later, later))
    assert "pip install" in workspace.run("make", "--dry-run", "repro").stdout


def test_the_gate_calls_the_readmes_test_command() -> None:
    assert "make test" in COMMANDS
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_the_queue_is_run_by_the_fixture_of_the_grid() -> None:
    assert {QUEUE_GRID, START_QUEUE} <= set(COMMANDS)


@pytest.mark.slow
def test_the_other_commands_run(quick_workspace: Workspace) -> None:
    outputs = {}
    ran = [command for command in COMMANDS if command.split()[0] in ("git", "dvc", "gto", "unroll")]
    before_grid = ran.index(QUEUE_GRID) - 1
    for number, command in enumerate(command for command in ran if command not in (QUEUE_GRID, START_QUEUE)):
        if number == 1:
            quick_workspace.change("cell: gru", "cell: rnn")  # as the text before the second command says
        outputs[number, command] = quick_workspace.run("bash", "-c", command).stdout
        if number == before_grid:  # it starts from what is committed, or its comparison finds nothing
            assert quick_workspace.run("git", "diff", "--name-only").stdout == ""
    texts = list(outputs.values())
    assert "Data and pipelines are up to date." in texts[0]
    assert "Running stage 'train'" in texts[1] and "Running stage 'tokenize'" not in texts[1]
    assert "macro_f1" in texts[2]
    (shown,) = [text for (_, command), text in outputs.items() if command.startswith("dvc exp show")]
    assert max(map(len, shown.splitlines())) <= 80  # it fits a terminal
    for part in ("try-lstm", "try-mean", "macro_f1", "log_loss", "model.cell", "model.pooling"):
        assert part in shown
    # Each experiment differs from the commit by what its command says, and by nothing of the one before.
    (line,) = [line for line in shown.splitlines() if "try-mean" in line]
    assert line.split()[-2:] == ["gru", "mean"]
    assert (quick_workspace.path / "predictions.csv").is_file()
    assert (quick_workspace.path.parent / "classifier" / "model.safetensors").is_file()
    page = (quick_workspace.path / "dvc_plots" / "index.html").read_text()
    for title in ("learning curves", "confusion matrix", "F1 by class", "reliability"):
        assert title in page


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_a_page_begins_with_whom_it_is_for(page: Path) -> None:
    title, _, first, *_ = page.read_text().splitlines()
    assert title.startswith("# ") and first.startswith("For whoever ")


def test_links_lead_somewhere() -> None:
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("pipelines/*/README.md")):
        for link, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text()):
            target = document.parent / link if link else document
            assert target.exists(), f"{document.name}: {link}"
            assert not heading or heading in list_anchors(target.read_text()), f"{document.name}: {link}#{heading}"


def list_anchors(page: str) -> list[str]:
    """Return the headings of a page as GitHub's links name them."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(path.parent.name for path in ROOT.glob("pipelines/*/README.md")))
def test_the_commands_of_a_pipelines_readme_run(all_pipelines: Workspace, tmp_path: Path, name: str) -> None:
    workspace = Workspace(all_pipelines.copy_to(tmp_path / "repository").path / "pipelines" / name)
    commands = find_commands((ROOT / "pipelines" / name / "README.md").read_text())
    assert len(commands) >= 4
    for command in commands:
        output = workspace.run("bash", "-c", command).stdout
        assert output.strip(), command
