"""`python -m benchmarks`: measure everything and write docs/benchmarks.md."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.commands import describe_commands, measure_commands
from benchmarks.epochs import describe_epochs, measure_epochs
from benchmarks.export import describe_export, measure_export
from benchmarks.growth import describe_growth, measure_growth
from benchmarks.inference import describe_inference, measure_inference
from benchmarks.machine import describe_machine
from benchmarks.matrix_products import describe_products, measure_products
from benchmarks.measure import Section
from benchmarks.processes import describe_processes, measure_processes
from benchmarks.report import write_report
from benchmarks.rows import REAL_ROWS, ROOT, Headlines, prepare_headlines
from benchmarks.text import describe_text, measure_text
from benchmarks.threads import describe_threads, measure_threads
from benchmarks.time_to_quality import describe_quality, measure_quality
from unroll.base.files import replace_when_done

DOCUMENT = ROOT / "docs" / "benchmarks.md"
NAMES = ["text", "epochs", "products", "threads", "processes", "quality", "inference", "export", "growth", "commands"]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    text_rows: int
    epoch_rows: int
    inference_rows: int
    product_rows: int
    quality_rows: tuple[int, int]  # at most, to train on and to validate
    pretrain: bool
    growth_rows: list[int]
    rounds: int
    pipeline_rounds: int
    command_rounds: int


@dataclass(frozen=True)
class Measure:
    """A function that measures, what it is called with, and one that puts its figures into words."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    describe: Callable[[Any], Section]


FULL = Sizes(
    text_rows=120_000,
    epoch_rows=12_800,
    inference_rows=20_480,
    product_rows=6_400,
    quality_rows=(1_000_000, 1_000_000),
    pretrain=True,
    growth_rows=[10_000, 100_000, 1_000_000],
    rounds=3,
    pipeline_rounds=3,
    command_rounds=10,
)
QUICK = Sizes(
    text_rows=20_000,
    epoch_rows=1_920,
    inference_rows=4_096,
    product_rows=640,
    quality_rows=(2_000, 1_000),
    pretrain=False,
    growth_rows=[10_000, 30_000],
    rounds=2,
    pipeline_rounds=1,
    command_rounds=3,
)


def main() -> None:
    options = parse_options()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread, as in all else that is compared
    setting = describe_machine(DOCUMENT)
    started = time.perf_counter()

    def say(name: str) -> None:
        print(f"{time.perf_counter() - started:5.0f} s  {name}", file=sys.stderr, flush=True)

    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        say("rows")
        headlines = prepare_headlines(folder / "rows", options.data, pretrain="none")
        sections = []
        for measure in list_measures(headlines, options.data, folder, QUICK if options.quick else FULL):
            if measure.name in options.only:
                say(measure.name)
                sections.append(take(measure))
    setting += describe_rows(headlines)
    setting.append(("took", f"{(time.perf_counter() - started) / 60:.1f} minutes"))
    command = "make bench-quick" if options.quick else "make bench"
    report = write_report(command, options.quick, setting, sections)
    if options.only != NAMES:
        print(report)
        return
    with replace_when_done(DOCUMENT) as temporary:
        temporary.write_text(report, encoding="utf-8")
    say(f"wrote {DOCUMENT.relative_to(ROOT)}")


def parse_options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, help="print these measures and leave the document as it is"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=REAL_ROWS if REAL_ROWS.is_file() else None,
        help="rows in the layout of AG News (default: ../shared/data/ag_news/train.csv where it is, else the sample)",
    )
    return parser.parse_args()


def list_measures(headlines: Headlines, file: Path | None, folder: Path, sizes: Sizes) -> list[Measure]:
    """Return all measures in the order of the document."""
    rounds, pretraining = sizes.rounds, folder / "quality" if sizes.pretrain else None
    return [
        Measure("text", measure_text, (headlines, sizes.text_rows, rounds), describe_text),
        Measure("epochs", measure_epochs, (headlines, sizes.epoch_rows, rounds), describe_epochs),
        Measure("products", measure_products, (headlines, sizes.product_rows, rounds), describe_products),
        Measure("threads", measure_threads, (headlines, sizes.epoch_rows, rounds), describe_threads),
        Measure("processes", measure_processes, (headlines, sizes.epoch_rows, rounds), describe_processes),
        Measure("quality", measure_quality, (headlines, *sizes.quality_rows, file, pretraining), describe_quality),
        Measure("inference", measure_inference, (headlines, sizes.inference_rows, rounds), describe_inference),
        Measure(
            "export", measure_export, (headlines, sizes.inference_rows, rounds, sizes.command_rounds), describe_export
        ),
        Measure("growth", measure_growth, (sizes.growth_rows,), describe_growth),
        Measure(
            "commands",
            measure_commands,
            (folder / "commands", sizes.pipeline_rounds, sizes.command_rounds),
            describe_commands,
        ),
    ]


def take(measure: Measure) -> Section:
    """Measure in a process of its own, so that no measure inherits what another has left in memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return measure.describe(pool.submit(measure.function, *measure.arguments).result())


def describe_rows(headlines: Headlines) -> list[tuple[str, str]]:
    """Return what the document says about the data."""
    return [
        ("data", f"{headlines.name}, {len(headlines.texts):,} rows, SHA-256 {headlines.sha256}"),
        ("threads", "1 for all that is compared with the textbook"),
    ]


if __name__ == "__main__":
    main()
