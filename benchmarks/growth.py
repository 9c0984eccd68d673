"""How time and memory of the stages before training grow with the rows."""

import csv
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from benchmarks.measure import Section, at_most
from benchmarks.rows import ROOT

STAGES = ("download", "preprocess", "split", "tokenize", "pretrain")
MOST_GROWTH = 1.15  # of the time per row
MOST_MIB = 1536
ONE_THREAD = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
# The highest memory of a process counts from before its program is loaded, when it still is a copy of its parent.
# So each stage gets a parent that is small, whatever called the benchmark.
SMALL_PARENT = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", sys.argv[1]], check=True, stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


@dataclass(frozen=True)
class StageCost:
    """What one run of a stage took, start of its process included."""

    stage: str
    rows: int
    seconds: float  # of CPU time, which other programs on the machine affect little
    peak_mib: float

    @property
    def microseconds_per_row(self) -> float:
        return self.seconds / self.rows * 1e6


def measure_growth(rows: list[int]) -> list[StageCost]:
    """Run each stage, as its command does, but on one thread, for a table of each size."""
    costs = []
    for count in rows:
        with TemporaryDirectory() as name:
            folder = Path(name)
            prepare_pipeline(folder, count)
            costs += [measure_stage(folder, stage, count) for stage in STAGES]
    return costs


def prepare_pipeline(folder: Path, rows: int) -> None:
    """Make a folder in which the stages find a table of so many rows, and otherwise the default parameters."""
    table = folder / "headlines.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(itertools.chain([("title", "label")], make_headlines(rows)))
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["data"] |= {"dataset": "csv", "file": str(table), "text_column": "title", "label_column": "label"}
    # The text is read once: what grows with the rows is the time of each reading.
    params["pretrain"] |= {"epochs": 1, "least_words": 0}
    yaml.dump(params, folder / "params.yaml")


def make_headlines(rows: int) -> Iterator[tuple[str, str]]:
    """Repeat the sample; each time, the longest word of every headline becomes another one.

    So no two texts are alike, and the vocabulary grows as fast as that of real texts, or faster.
    """
    with (ROOT / "data" / "sample" / "headlines.csv").open(newline="", encoding="utf-8") as file:
        sample = [(row["text"], max(row["text"].split(), key=len), row["label"]) for row in csv.DictReader(file)]
    for number in range(rows):
        title, longest, label = sample[number % len(sample)]
        yield title.replace(longest, f"{longest}{number // len(sample)}"), label


def measure_stage(folder: Path, stage: str, rows: int) -> StageCost:
    """Run a stage in its folder; return its processor time and the highest memory of its process."""
    process = subprocess.run(
        [sys.executable, "-c", SMALL_PARENT, f"unroll.stages.{stage}"],
        cwd=folder,
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT / "src")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds, kibibytes = map(float, process.stdout.split())
    return StageCost(stage, rows, seconds, kibibytes / 1024)


def describe_growth(costs: list[StageCost]) -> Section:
    """Return the figures as the document shows them."""
    totals = [add_stages(costs, rows) for rows in sorted({cost.rows for cost in costs})]
    ordered = sorted(costs, key=lambda cost: (STAGES.index(cost.stage), cost.rows)) + totals
    rows = []
    for previous, cost in zip([None, *ordered[:-1]], ordered, strict=True):
        growth, further = "", ""
        if previous and previous.stage == cost.stage:
            growth = f"{cost.microseconds_per_row / previous.microseconds_per_row:.2f}"
            further = f"{time_further_rows(previous, cost):.1f}"
        figures = (f"{cost.seconds:.2f}", f"{cost.microseconds_per_row:.1f}", growth, further, f"{cost.peak_mib:,.0f}")
        rows.append((cost.stage, f"{cost.rows:,}", *figures))
    *_, before, last = totals
    name = f"time per row, {before.rows:,} → {last.rows:,} rows"
    ratio = last.microseconds_per_row / before.microseconds_per_row
    checks = [at_most(name, ratio, MOST_GROWTH, "×")]
    if len(totals) > 2:
        ratio = time_further_rows(before, last) / time_further_rows(totals[-3], before)
        checks.append(at_most(f"{name}, without the start of processes", ratio, MOST_GROWTH, "×"))
    checks.append(at_most(f"peak memory before training, {last.rows:,} rows", last.peak_mib, MOST_MIB, "MiB"))
    return Section(
        "Growth",
        "The stages before train, each as its command runs it but on one thread, on the sample repeated with changed "
        "words; pretrain reads the text once. CPU seconds, including the start of the process; growth is the time per "
        "row relative to the previous size, and a further row is one that the previous size does not have. The linear "
        "baseline, which runs beside train and not before it, holds the features of all rows in memory.",
        ("stage", "rows", "seconds", "µs per row", "growth", "µs per further row", "peak MiB"),
        rows,
        checks,
    )


def add_stages(costs: list[StageCost], rows: int) -> StageCost:
    """Return what all stages take for a table of a size: the sum of their times, the highest of their peaks."""
    chosen = [cost for cost in costs if cost.rows == rows]
    return StageCost("all", rows, sum(cost.seconds for cost in chosen), max(cost.peak_mib for cost in chosen))


def time_further_rows(before: StageCost, after: StageCost) -> float:
    """Return the microseconds for each further row, without the start of the process."""
    return (after.seconds - before.seconds) / (after.rows - before.rows) * 1e6
