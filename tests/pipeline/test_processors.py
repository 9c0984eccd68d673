"""The default pipeline comes to the bytes in Git on other processors: with the fewest instructions, and emulated."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from benchmarks.portability import LIMITS, PROCESSORS

from builders import NOT_PORTABLE
from workspaces import Workspace, set_params

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.timeout(7200),  # an emulated processor takes thirty times as long
    pytest.mark.skipif(bool(NOT_PORTABLE), reason=f"nothing is portable here: {NOT_PORTABLE}"),
]


def compare_with_git(workspace: Workspace, **environment: str) -> None:
    """Run every stage, and compare dvc.lock with that in Git."""
    set_params(workspace, "tracking", enabled=False)  # which affects no result
    before = (workspace.path / "dvc.lock").read_text()
    workspace.run("dvc", "repro", "--force", "--no-run-cache", **environment)
    assert (workspace.path / "dvc.lock").read_text() == before


def test_with_the_fewest_instructions(pristine: Workspace, tmp_path: Path) -> None:
    compare_with_git(pristine.copy_to(tmp_path / "repository"), **LIMITS["all of these at their lowest"])


@pytest.mark.parametrize("processor", PROCESSORS)
def test_on_an_emulated_processor(pristine: Workspace, tmp_path: Path, processor: str) -> None:
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if not emulator:
        pytest.skip("QEMU is not installed (Debian's package qemu-user)")
    program = tmp_path / "bin" / "python"  # the one that stages run with; DVC itself is not emulated
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {emulator} -cpu {processor} {sys.executable} "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join((str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]))
    compare_with_git(pristine.copy_to(tmp_path / "repository"), PATH=path)
