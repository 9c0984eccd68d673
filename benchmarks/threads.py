"""One thread against two, and two trainings at once against one on two threads."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median

import torch

from benchmarks.epochs import VALIDATION_ROWS, make_comparable, make_config, warm_up
from benchmarks.measure import Section, alternate, at_least
from benchmarks.rows import Headlines, take_rows
from unroll.base.devices import make_repeatable
from unroll.models.classifier import TextClassifier
from unroll.models.files import ModelConfig
from unroll.params.texts import TextTrainParams
from unroll.text.tokens import Tokens
from unroll.training.loop import Task, train_model


@dataclass(frozen=True)
class ThreadFigures:
    """Examples per second of the clock, all trainings together, by round."""

    one_thread: list[float]
    two_threads: list[float]
    two_trainings: list[float]


def measure_threads(headlines: Headlines, rows: int, rounds: int) -> ThreadFigures:
    """Measure epochs of the default model; two trainings at once run in processes of their own, a thread each."""
    train, val = take_rows(headlines.train.tokens, rows), take_rows(headlines.val.tokens, VALIDATION_ROWS)
    params, config = make_comparable(headlines.params.train), make_config(headlines)

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def train_two() -> float:
            runs = [pool.submit(train_once, config, train, val, params, 1) for _ in range(2)]
            return sum(run.result() for run in runs)

        train_two()  # so that both processes have started, and all three have imported what they need
        warm_up(headlines)
        figures = alternate(
            {
                "one": lambda: train_once(config, train, val, params, 1),
                "two": lambda: train_once(config, train, val, params, 2),
                "both": train_two,
            },
            rounds,
        )
    make_repeatable(1, torch.device("cpu"))
    return ThreadFigures(figures["one"], figures["two"], figures["both"])


def train_once(config: ModelConfig, train: Tokens, val: Tokens, params: TextTrainParams, threads: int) -> float:
    """Return the examples per second of a new model's first epoch."""
    make_repeatable(threads, torch.device("cpu"))
    torch.manual_seed(params.seed)
    return train_model(TextClassifier(config), Task(train, val, params)).history[0].examples_per_second


def describe_threads(figures: ThreadFigures) -> Section:
    """Return the figures as the document shows them."""
    measures = (
        ("one training, one thread", figures.one_thread),
        ("one training, two threads", figures.two_threads),
        ("two trainings at once, a thread each", figures.two_trainings),
    )
    rows = [(name, f"{median(rates):,.0f}", f"{min(rates):,.0f}–{max(rates):,.0f}") for name, rates in measures]
    gain = median(figures.two_trainings) / median(figures.two_threads)
    return Section(
        "Threads",
        "Epochs of the default model, without word dropout and weight average. Wall-clock seconds, which other "
        "programs on the machine affect.",
        ("setting", "examples/s, together", "range"),
        rows,
        [at_least("two trainings at once, against one on two threads", gain, 1)],
    )
