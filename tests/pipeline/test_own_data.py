"""Three tables of other people's making, by the commands that docs/data.md has for them."""

import re

import pytest

from workspaces import ROOT, Workspace

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "data.md").read_text()


def find_walk() -> list[tuple[str, str]]:
    """Return the commands of the page, whole even if they take two lines, each with its comment."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", "")
    return [
        (command.strip(), comment.strip())
        for command, _, comment in (line.partition(" #") for line in blocks.splitlines())
    ]


def test_three_tables_come_from_file_to_prediction(quick_workspace: Workspace) -> None:
    walk = find_walk()
    assert [command.split()[1] for command, _ in walk].count("exp") == 3
    for command, comment in walk:
        output = quick_workspace.run("bash", "-c", command).stdout
        if command.startswith('unroll predict "'):
            assert output.splitlines()[0] == comment
        if "--name tickets" in command:
            part = quick_workspace.path / "tests" / "tables" / "tickets" / "part-3.jsonl"
            whole = part.read_bytes()
            part.write_bytes(whole[:-100])
            quick_workspace.change("  pattern:", "  pattern: part-*")
            changed = quick_workspace.run("dvc", "status", "download").stdout
            assert "tests/tables/tickets" in changed and "data.pattern" in changed
            part.write_bytes(whole)
            quick_workspace.change("  pattern: part-*", "  pattern:")
        if "--input" in command:
            lines = (quick_workspace.path / "predictions.csv").read_text().splitlines()
            first, *_ = re.findall(r"--input \S+/(\w+)", command)
            assert (first, len(lines)) in (("part", 25), ("windows", 67))
    assert "Müll" in lines[0]
    assert "up to date" in quick_workspace.run("dvc", "status").stdout
