"""One training on one process and on two, with small batches and with large ones."""

import os
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from statistics import median

import torch

from benchmarks.epochs import VALIDATION_ROWS, make_config
from benchmarks.measure import Section, alternate
from benchmarks.rows import Headlines, take_rows
from unroll.base.devices import make_repeatable
from unroll.models.classifier import TextClassifier, drop_words
from unroll.models.files import ModelConfig
from unroll.models.layers import limit_embedding
from unroll.params.texts import TextTrainParams
from unroll.text.tokens import Tokens
from unroll.training.loop import Options, Task, train_model
from unroll.training.processes import join
from unroll.training.progress import Epoch

BATCH_SIZES = (64, 1024)


@dataclass(frozen=True)
class Speed:
    """The second epoch of a training: examples per second of the clock, and CPU seconds of its first process."""

    examples: float
    seconds: float


@dataclass(frozen=True)
class ProcessFigures:
    """One training with a batch size, on one process and on two, by round."""

    batch_size: int
    one: list[Speed]
    two: list[Speed]


def measure_processes(headlines: Headlines, rows: int, rounds: int) -> list[ProcessFigures]:
    """Measure epochs of the default model, n-grams included, with each batch size; each process has one thread."""
    train, val = take_rows(headlines.train.tokens, rows), take_rows(headlines.val.tokens, VALIDATION_ROWS)
    config = make_config(headlines, ngrams=headlines.params.model.ngrams)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def train_on(processes: int, batch_size: int) -> Speed:
            changes = {"epochs": 2, "batch_size": batch_size, "processes": processes}
            params, port = headlines.params.train.model_copy(update=changes), find_free_port()
            runs = [pool.submit(train_once, config, train, val, params, rank, port) for rank in range(processes)]
            first, *_ = [run.result() for run in runs]
            return first

        def measure(batch_size: int) -> ProcessFigures:
            calls = {str(processes): partial(train_on, processes, batch_size) for processes in (1, 2)}
            figures = alternate(calls, rounds)
            return ProcessFigures(batch_size, figures["1"], figures["2"])

        return [measure(batch_size) for batch_size in BATCH_SIZES]


def train_once(config: ModelConfig, train: Tokens, val: Tokens, params: TextTrainParams, rank: int, port: int) -> Speed:
    """Train a new model for two epochs; in the first, PyTorch imports a part of itself."""
    make_repeatable(params.threads, torch.device("cpu"))
    torch.manual_seed(params.seed)
    model = TextClassifier(config)
    model.set_submodule("embedding", limit_embedding(model.embedding, train.ids))
    options = Options(lambda ids: drop_words(ids, params.word_dropout), ngram_rate=params.ngram_rate / len(train))
    task, ends = Task(train, val, params, options=options), []

    def note(epoch: Epoch) -> None:
        ends.append(time.process_time())

    if params.processes == 1:
        training = train_model(model, task, note)
    else:  # as torchrun starts them
        names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        os.environ |= dict(zip(names, (str(rank), str(params.processes), "127.0.0.1", str(port)), strict=True))
        with join(params.processes, torch.device("cpu"), key="a benchmark") as team:
            training = train_model(model, replace(task, team=team), note)
    return Speed(training.history[1].examples_per_second, ends[1] - ends[0])


def find_free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def describe_processes(figures: list[ProcessFigures]) -> Section:
    """Return the figures as the document shows them."""
    rows = []
    for figure in figures:
        for processes, speeds in ((1, figure.one), (2, figure.two)):
            rates, seconds = [speed.examples for speed in speeds], [speed.seconds for speed in speeds]
            clock = f"{median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"
            processor = f"{median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"
            rows.append((f"{figure.batch_size:,}", str(processes), clock, processor))
    return Section(
        "Processes",
        "`train.processes`: an epoch of the default model, a thread for each process. Examples per second of the "
        "clock, which other programs on the machine affect, above all where two processes wait for each other in "
        "every step; and CPU seconds of the first process, about how long an epoch takes on idle cores.",
        ("batch size", "processes", "examples/s", "CPU seconds of a process"),
        rows,
        [],
    )
