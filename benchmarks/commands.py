"""Commands as a person types them, in a new copy of the repository, in wall-clock time."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Seconds, Section, at_most, time_children
from benchmarks.rows import copy_repository, run

HEADLINE = "The final tennis tournament starts next week."


@dataclass(frozen=True)
class CommandFigures:
    """Seconds of whole processes, of the default pipeline each time in a new copy of the repository.

    least: of `dvc repro` in a repository with a single stage, which is what DVC takes by itself.
    """

    pipeline: list[Seconds]
    predict: list[Seconds]
    unchanged: list[Seconds]
    least: list[Seconds]


def measure_commands(folder: Path, pipeline_rounds: int, rounds: int) -> CommandFigures:
    """Copy the repository into `folder`, run the default pipeline on the sample, then the other commands in turn."""
    pipeline = []
    for _ in range(pipeline_rounds):
        shutil.rmtree(folder, ignore_errors=True)
        copy_repository(folder)
        pipeline.append(time_children(lambda: run(folder, "dvc", "repro")))
    single = make_single_stage(folder.with_name("single-stage"))
    predict, unchanged, least = [], [], []
    for _ in range(rounds):
        predict.append(time_children(lambda: run(folder, "unroll", "predict", HEADLINE)))
        unchanged.append(time_children(lambda: run(folder, "dvc", "repro")))
        least.append(time_children(lambda: run(single, "dvc", "repro")))
    return CommandFigures(pipeline, predict, unchanged, least)


def make_single_stage(folder: Path) -> Path:
    """Make a DVC repository of one stage, which has run: a file that is copied."""
    folder.mkdir()
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "init")
    for setting in ("core.analytics", "core.check_update"):  # as in this repository
        run(folder, "dvc", "config", setting, "false")
    (folder / "a").write_text("a")
    (folder / "dvc.yaml").write_text("stages: {copy: {cmd: cp a b, deps: [a], outs: [b]}}")
    run(folder, "dvc", "repro")
    return folder


def describe_commands(figures: CommandFigures) -> Section:
    """Return the figures as the document shows them."""
    measures = (
        ('`unroll predict "…"`, cold', figures.predict, 1.2),
        ("`dvc repro` with nothing to do", figures.unchanged, 0.6),
        ("the same in a repository of a single stage", figures.least, None),
        ("the whole default pipeline on the sample", figures.pipeline, 30),
    )
    rows, checks = [], []
    for name, times, limit in measures:
        clock = [time.clock for time in times]
        processor = median(time.processor for time in times)
        cells = (f"{median(clock):.2f}", f"{min(clock):.2f}–{max(clock):.2f}", f"{processor:.2f}", str(len(times)))
        rows.append((name, *cells))
        if limit:
            checks.append(at_most(name, median(clock), limit, "s"))
    return Section(
        "Commands",
        "Seconds for whole processes in a new copy of the repository, with MLflow tracking on, as it is by default. "
        "Other programs on the machine affect wall-clock seconds, and CPU seconds less.",
        ("command", "wall-clock seconds, median", "range", "CPU seconds", "runs"),
        rows,
        checks,
    )
