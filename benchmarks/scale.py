"""`python -m benchmarks.scale`: what rows cost in each stage before training, and what a billion of them would cost.

Prints the tables of docs/scale.md. A line is fitted to the smaller tables; the largest one checks what it predicts.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.growth import ONE_THREAD, prepare_pipeline
from benchmarks.machine import describe_machine
from benchmarks.report import write_table
from benchmarks.rows import ROOT
from unroll.base.parts import WORKERS

STAGES = ("download", "preprocess", "split", "tokenize", "pretrain")
IN_PARTS = ("preprocess", "split", "tokenize")
WORKERS_AT_SCALE = (1, 8, 64)
# Run from a small process, as the highest memory of a process counts from before its program is loaded. A process that
# has ended still shows its own time, and that of the processes it has started.
PARENT = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen([sys.executable, "-m", sys.argv[1]], stdout=subprocess.DEVNULL)
os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
wall = time.perf_counter() - start
fields = open(f"/proc/{process.pid}/stat").read().rpartition(") ")[2].split()
own, others = ((int(fields[place]) + int(fields[place + 1])) / os.sysconf("SC_CLK_TCK") for place in (11, 13))
_, status, usage = os.wait4(process.pid, 0)
print(wall, own, others, usage.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Cost:
    """What a run of a stage took. own: CPU seconds of the stage's process; others: of its workers."""

    stage: str
    rows: int
    workers: int
    wall: float
    own: float
    others: float
    peak_mib: float

    @property
    def cpu(self) -> float:
        return self.own + self.others


@dataclass(frozen=True)
class Line:
    """Seconds as a line: those of the start, and those of each row."""

    start: float
    row: float

    def at(self, rows: int) -> float:
        return self.start + self.row * rows


def main() -> None:
    options = parse_options()
    costs: list[Cost] = []
    bytes_: dict[str, float] = {}
    for rows in [*options.rows, options.check]:
        with TemporaryDirectory(prefix="scale-") as name:
            folder = Path(name)
            prepare_pipeline(folder, rows)
            text = (folder / "params.yaml").read_text().replace("method: random", "method: hash")
            (folder / "params.yaml").write_text(text)
            for stage, workers in list_runs(is_check=rows == options.check):
                costs.append(measure(folder, stage, rows, workers))
                print(costs[-1], file=sys.stderr, flush=True)
            bytes_ = {path.name: measure_bytes(path) / rows for path in (folder / "data").iterdir()}
    for name, value in describe_machine(ROOT / "docs" / "scale.md"):
        print(f"{name}: {value}")
    tables = describe_costs(costs), describe_check(costs, options.check), describe_scale(costs, bytes_, options.check)
    print("", *tables, sep="\n\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="of the tables to fit"
    )
    parser.add_argument("--check", type=int, default=10_000_000, help="of the table to check the fit with")
    return parser.parse_args()


def list_runs(is_check: bool) -> list[tuple[str, int]]:
    """Return stages and numbers of workers; for the check, which takes long, only what works in parts, with two."""
    if is_check:
        return [("download", 1), *((stage, 2) for stage in IN_PARTS)]
    return [(stage, workers) for stage in STAGES for workers in ((1, 2) if stage in IN_PARTS else (1,))]


def measure(folder: Path, stage: str, rows: int, workers: int) -> Cost:
    """Run a stage in its folder, as its command does, but on one thread."""
    process = subprocess.run(
        [sys.executable, "-c", PARENT, f"unroll.stages.{stage}"],
        cwd=folder,
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT / "src"), WORKERS: str(workers)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Cost(stage, rows, workers, *map(float, process.stdout.split()))


def measure_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def fit(costs: list[Cost], stage: str, workers: int, quantity: str, below: int) -> Line:
    """Fit a line to the costs of tables with fewer rows than `below`; the start is what the smallest one took."""
    chosen = [cost for cost in costs if (cost.stage, cost.workers) == (stage, workers) and cost.rows < below]
    rows, seconds = (np.array([getattr(cost, name) for cost in chosen], dtype=float) for name in ("rows", quantity))
    # Weighted by 1 / rows: else the largest table alone would decide, and the start be anything.
    row, start = np.polyfit(rows, seconds, 1, w=1 / np.sqrt(rows))
    return Line(float(start), float(row))


def describe_costs(costs: list[Cost]) -> str:
    rows = [
        (
            cost.stage,
            f"{cost.rows:,}",
            str(cost.workers),
            f"{cost.wall:.1f}",
            f"{cost.own:.1f}",
            f"{cost.others:.1f}",
            f"{cost.cpu / cost.rows * 1e6:.1f}",
            f"{cost.peak_mib:,.0f}",
        )
        for cost in sorted(costs, key=lambda cost: (STAGES.index(cost.stage), cost.workers, cost.rows))
    ]
    header = ("stage", "rows", "workers", "wall s", "CPU s", "workers' CPU s", "µs a row", "peak MiB")
    return write_table(header, rows)


def describe_check(costs: list[Cost], check: int) -> str:
    """Compare what the smaller tables predict for the largest with what that one took."""
    rows = []
    for cost in costs:
        if cost.rows == check:
            predicted = fit(costs, cost.stage, cost.workers, "cpu", check).at(check)
            share = f"{cost.cpu / predicted:.2f}"
            rows.append((cost.stage, str(cost.workers), f"{predicted:,.0f}", f"{cost.cpu:,.0f}", share))
    return write_table(("stage", "workers", "predicted CPU s", "measured", "ratio"), rows)


def describe_scale(costs: list[Cost], bytes_: dict[str, float], check: int) -> str:
    """Predict hours by the greater of what the stage's own process and one of its workers compute.

    Pretraining reads the text once here.
    """
    table = []
    for rows in (10**8, 10**9):
        for workers in WORKERS_AT_SCALE:
            hours, limits = 0.0, []
            for stage in STAGES:
                if stage in IN_PARTS and workers > 1:
                    own, others = (fit(costs, stage, 2, name, check).at(rows) for name in ("own", "others"))
                else:
                    own, others = fit(costs, stage, 1, "cpu", check).at(rows), 0.0
                hours += max(own, others / workers) / 3600
                limits.append((max(own, others / workers), stage, "driver" if own > others / workers else "workers"))
            _, stage, limit = max(limits)
            disk = sum(bytes_.values()) * rows / 2**30
            sent = sum(bytes_[name] for name in ("raw", "clean", "tokens")) * rows / 2**30
            figures = (
                f"{rows:.0e}",
                str(workers),
                f"{hours:,.1f}",
                f"{stage}: {limit}",
                f"{disk:,.0f}",
                f"{sent:,.0f}",
            )
            table.append(figures)
    return write_table(("rows", "workers", "hours", "longest stage, limited by", "disk GiB", "sent GiB"), table)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"took {(time.perf_counter() - started) / 60:.0f} minutes", file=sys.stderr)
