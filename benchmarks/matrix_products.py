"""How much of an epoch is matrix products, and how close the model's arithmetic comes to the machine's peak."""

from dataclasses import dataclass
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.epochs import VALIDATION_ROWS, list_layers, make_comparable, name_layer, time_our_epoch, warm_up
from benchmarks.measure import Section, time_clock
from benchmarks.rows import Headlines, take_rows
from unroll.base.devices import make_repeatable
from unroll.models.classifier import TextClassifier
from unroll.models.files import GATES, ModelConfig
from unroll.params.texts import TextTrainParams
from unroll.text.tokens import Tokens
from unroll.training.loop import Task, train_model

PRODUCTS = {"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"}
LSTM_LAYERS = {"aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"}  # oneDNN's: products and gates in one
PEAK_SIZE = 2048


@dataclass(frozen=True)
class ProductFigures:
    """One layer: shares of the profiled epoch's time, and arithmetic per second beside the machine's peak."""

    cell: str
    bidirectional: bool
    share: float  # of an epoch's time in matrix products, oneDNN's layers included
    gigaflops: float  # of the model's own products, forward and backward, per second of an epoch
    peak_gigaflops: float


def measure_products(headlines: Headlines, rows: int, rounds: int) -> list[ProductFigures]:
    """Profile an epoch of so many rows for each of `LAYERS`, on one thread."""
    train, val = take_rows(headlines.train.tokens, rows), take_rows(headlines.val.tokens, VALIDATION_ROWS)
    params = make_comparable(headlines.params.train)
    make_repeatable(params.threads, torch.device("cpu"))
    warm_up(headlines)
    peak = measure_peak(rounds)
    figures = []
    for config in list_layers(headlines):
        seconds = median(time_our_epoch(config, train, val, params) for _ in range(rounds))
        share = profile_products(config, train, val, params)
        flops = count_flops(config, train)
        figures.append(ProductFigures(config.cell, config.bidirectional, share, flops / seconds / 1e9, peak))
    return figures


def measure_peak(rounds: int) -> float:
    """Return the GFLOP/s of the fastest of several large float32 matrix products, on the threads that are set."""
    left, right = torch.rand(PEAK_SIZE, PEAK_SIZE), torch.rand(PEAK_SIZE, PEAK_SIZE)
    seconds = min(time_clock(lambda: left @ right) for _ in range(5 * rounds))
    return 2 * PEAK_SIZE**3 / seconds / 1e9


def profile_products(config: ModelConfig, train: Tokens, val: Tokens, params: TextTrainParams) -> float:
    """Return the share of an epoch's time that its matrix products take themselves."""
    torch.manual_seed(params.seed)
    model = TextClassifier(config)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        seconds = time_clock(lambda: train_model(model, Task(train, val, params)))
    events = profiler.key_averages()
    microseconds = sum(event.self_cpu_time_total for event in events if event.key in PRODUCTS | LSTM_LAYERS)
    return microseconds / 1e6 / seconds


def count_flops(config: ModelConfig, tokens: Tokens) -> int:
    """Return the operations of an epoch's matrix products: two for each multiply-add, backward twice as many.

    A token costs `gates * hidden * (embedding + hidden)` multiply-adds in each direction, a text
    `directions * hidden * classes` in the head.
    """
    directions = 2 if config.bidirectional else 1
    by_token = GATES[config.cell] * config.hidden_size * (config.embedding_size + config.hidden_size) * directions
    by_text = directions * config.hidden_size * config.classes
    return 3 * 2 * (by_token * int(tokens.offsets[-1]) + by_text * len(tokens))


def describe_products(figures: list[ProductFigures]) -> Section:
    """Return the figures as the document shows them."""
    rows = [
        (
            name_layer(item.cell, item.bidirectional),
            f"{item.share:.0%}",
            f"{item.gigaflops:.1f}",
            f"{item.gigaflops / item.peak_gigaflops:.0%}",
        )
        for item in figures
    ]
    return Section(
        "Matrix products",
        f"Share of an epoch that PyTorch's profiler finds in matrix products (for an LSTM, oneDNN's layers, which "
        "include the gates' arithmetic); and the arithmetic of the model's products per second of an epoch, compared "
        f"with the fastest product of two {PEAK_SIZE:,} × {PEAK_SIZE:,} float32 matrices on one thread: "
        f"{figures[0].peak_gigaflops:.0f} GFLOP/s.",
        ("layer", "share in products", "GFLOP/s", "of the peak"),
        rows,
        [],
    )
