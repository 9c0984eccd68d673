"""How time and memory of the stages before training grow with the rows.

python benchmarks/growth.py --rows 10000 100000 1000000
"""

import argparse
import csv
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
STAGES = ("download", "preprocess", "split", "tokenize")
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
    seconds: float  # of the processor: what neighbours do on the machine counts for little
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
    shutil.copytree(ROOT / "data" / "stopwords", folder / "data" / "stopwords")
    table = folder / "headlines.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(itertools.chain([("title", "label")], make_headlines(rows)))
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["data"] |= {"dataset": "csv", "url": str(table), "text_column": "title", "label_column": "label"}
    yaml.dump(params, folder / "params.yaml")


def make_headlines(rows: int) -> Iterator[tuple[str, str]]:
    """Repeat the sample; each time, the longest word of every headline becomes another one.

    So no two texts are alike, and the vocabulary grows as fast as that of real texts, or faster.
    """
    with (ROOT / "data" / "sample" / "headlines.csv").open(newline="", encoding="utf-8") as file:
        sample = [(row["title"], max(row["title"].split(), key=len), row["label"]) for row in csv.DictReader(file)]
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


def format_table(costs: list[StageCost]) -> str:
    """Return a Markdown table.

    The ratio is that of the time per row to the time per row of the size before. A further row's time is that of the
    rows which one size has more than the one before, so that the start of the process is not in it.
    """
    lines = [
        "| stage | rows | seconds | µs per row | ratio | µs per further row | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    ordered = sorted(costs, key=lambda cost: (STAGES.index(cost.stage), cost.rows))
    for before, cost in itertools.pairwise([None, *ordered]):
        ratio, further = "", ""
        if before and before.stage == cost.stage:
            ratio = f"{cost.microseconds_per_row / before.microseconds_per_row:.2f}"
            further = f"{(cost.seconds - before.seconds) / (cost.rows - before.rows) * 1e6:.1f}"
        lines.append(
            f"| {cost.stage} | {cost.rows:,} | {cost.seconds:.2f} | {cost.microseconds_per_row:.1f} | {ratio} "
            f"| {further} | {cost.peak_mib:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    print(format_table(measure_growth(parser.parse_args().rows)))
