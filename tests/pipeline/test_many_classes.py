"""500 classes and 20,000 rows pass every stage, in bounded memory and time."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workspaces import STAGES, Workspace, make_environment, set_params

CLASSES, ROWS, WORDS = 500, 20_000, 30_000


def write_rows(path: Path) -> None:
    """Write titles of about nine words, one of which is of its class; classes and words are as unequal as in texts."""
    random = np.random.default_rng(1)
    weights = 1 / np.arange(1, CLASSES + 1) ** 0.9
    labels = np.concatenate(
        [np.repeat(np.arange(CLASSES), 5), random.choice(CLASSES, ROWS - 5 * CLASSES, p=weights / weights.sum())]
    )
    frequencies = 1 / np.arange(1, WORDS + 1)
    words = random.choice(WORDS, (ROWS, 8), p=frequencies / frequencies.sum())
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    spelled = ["".join(random.choice(letters, random.integers(2, 10))) for _ in range(WORDS)]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for label, row in zip(labels, words, strict=True):
            own = f"{spelled[label]}{random.integers(3)}topic"
            table.writerow([" ".join([*(spelled[word] for word in row), own]), f"about {label}"])


def run_stage(workspace: Workspace, stage: str) -> tuple[int, float, int]:
    """Run a stage; return its exit code, the CPU seconds that it took and its peak memory in bytes."""
    command = (sys.executable, "-m", f"unroll.stages.{stage}")
    process = subprocess.Popen(command, cwd=workspace.path, env=make_environment() | {"PYTHONPATH": "src"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_many_classes_pass_every_stage_in_bounded_memory_and_time(pristine: Workspace, tmp_path: Path) -> None:
    workspace = pristine.copy_to(tmp_path / "repository")
    write_rows(workspace.path / "rows.csv")
    set_params(workspace, "data", dataset="csv", file="rows.csv")
    for stage in STAGES:
        code, seconds, size = run_stage(workspace, stage)
        print(f"{stage}: {seconds:.0f} s of the processor, {size / 1e9:.2f} GB")
        assert code == 0, stage
        assert size < 2e9, stage
        assert seconds < 180, stage  # train takes 110 on a busy machine, all others a minute at most
