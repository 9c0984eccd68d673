"""One training on one process and on two, with small batches and with large ones."""

import os
import socket
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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

BATCH_SIZES = (64, 1024)


@dataclass(frozen=True)
class ProcessFigures:
    """Examples per second of the clock with one batch size, by round."""

    batch_size: int
    one: list[float]
    two: list[float]


def measure_processes(headlines: Headlines, rows: int, rounds: int) -> list[ProcessFigures]:
    """Measure epochs of the default model, n-grams included, with each batch size; each process has one thread."""
    train, val = take_rows(headlines.train.tokens, rows), take_rows(headlines.val.tokens, VALIDATION_ROWS)
    config = make_config(headlines, ngrams=headlines.params.model.ngrams)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def train_on(processes: int, batch_size: int) -> float:
            changes = {"epochs": 2, "batch_size": batch_size, "processes": processes}
            params, port = headlines.params.train.model_copy(update=changes), find_free_port()
            runs = [pool.submit(train_once, config, train, val, params, rank, port) for rank in range(processes)]
            return max(run.result() for run in runs)

        def measure(batch_size: int) -> ProcessFigures:
            calls = {str(processes): partial(train_on, processes, batch_size) for processes in (1, 2)}
            figures = alternate(calls, rounds)
            return ProcessFigures(batch_size, figures["1"], figures["2"])

        return [measure(batch_size) for batch_size in BATCH_SIZES]


def train_once(config: ModelConfig, train: Tokens, val: Tokens, params: TextTrainParams, rank: int, port: int) -> float:
    """Return the examples per second of a new model's second epoch; in the first, PyTorch imports a part of itself."""
    make_repeatable(params.threads, torch.device("cpu"))
    torch.manual_seed(params.seed)
    model = TextClassifier(config)
    model.set_submodule("embedding", limit_embedding(model.embedding, train.ids))
    options = Options(lambda ids: drop_words(ids, params.word_dropout), ngram_rate=params.ngram_rate / len(train))
    if params.processes == 1:
        training = train_model(model, Task(train, val, params, options=options))
    else:  # as torchrun starts them
        names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        os.environ |= dict(zip(names, (str(rank), str(params.processes), "127.0.0.1", str(port)), strict=True))
        with join(params.processes, torch.device("cpu"), key="a benchmark") as team:
            training = train_model(model, Task(train, val, params, options=options, team=team))
    return training.history[1].examples_per_second


def find_free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def describe_processes(figures: list[ProcessFigures]) -> Section:
    """Return the figures as the document shows them."""
    rows = []
    for figure in figures:
        gains = [two / one for one, two in zip(figure.one, figure.two, strict=True)]
        rates = (f"{median(rates):,.0f}" for rates in (figure.one, figure.two))
        gain = f"{median(figure.two) / median(figure.one):.2f} × ({min(gains):.2f}–{max(gains):.2f})"
        rows.append((f"{figure.batch_size:,}", *rates, gain))
    return Section(
        "Processes",
        "`train.processes`: epochs of the default model, each process with one thread. Wall-clock seconds, which other "
        "programs on the machine affect; two processes need two idle cores.",
        ("batch size", "examples/s, one process", "two processes", "gain"),
        rows,
        [],
    )
