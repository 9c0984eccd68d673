"""Commands of Git and DVC in another folder: their environment, their progress, and why they fail."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from unroll.tracking.git import keep_environment

STAGE = re.compile(r"Running stage '(.*)':")
DVC = (sys.executable, "-m", "dvc")


class Failure(Exception):
    """A command failed; the message is the line that says why."""


def make_environment(*foreign: str, python: str = sys.executable) -> dict[str, str]:
    """Return this process's environment for another folder, in which a Python's programs come first.

    Left out is what would lead to another repository, or change what DVC and make do.

    foreign: how the names of further variables begin that are left out.
    """
    kept = keep_environment("DVC_", "MAKE", "MFLAGS", *foreign)
    return kept | {"PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])}


def run_command(
    command: tuple[str, ...],
    folder: Path,
    environment: dict[str, str],
    tell: Callable[[str], None] = lambda state: None,
) -> None:
    """Run a command and tell which of DVC's stages it is in.

    Raises:
        Failure: it failed, with the line in which a stage says why, or else the last one.
    """
    reason = last = ""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in map(str.strip, process.stdout or ()):
            if stage := STAGE.match(line):
                tell(stage[1])
            reason = line if line.startswith("error: ") else reason
            last = line or last
    if process.returncode:
        told = (reason or last).removeprefix("error: ").removeprefix("ERROR: ")  # the stage's own, and DVC's
        raise Failure(told or f"{command[0]} exited with {process.returncode}")
