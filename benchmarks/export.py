"""The exported network in ONNX Runtime beside our own inference and PyTorch; and how long each takes to start."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks.commands import HEADLINE
from benchmarks.epochs import list_layers, make_config, name_layer
from benchmarks.inference import load_untrained
from benchmarks.measure import Seconds, Section, alternate, time_children, time_processor
from benchmarks.rows import ROOT, Headlines, take_rows
from unroll.export.folder import export_model
from unroll.inference.classifier import load_network
from unroll.inference.forward import predict_all
from unroll.models.classifier import load_model
from unroll.models.files import ModelConfig
from unroll.models.predict import compute_outputs
from unroll.text.tokens import Tokens

SHOWN = (("gru", False), ("gru", True), ("lstm", True))
BATCH_ROWS = 256  # of ONNX Runtime and PyTorch; about the best for both
WAYS = ("ours", "ONNX Runtime", "PyTorch")


@dataclass(frozen=True)
class BulkFigures:
    """One network: CPU seconds of each round for so many rows, by way; apart: the largest difference from ours."""

    name: str
    rows: int
    seconds: dict[str, list[float]]
    apart: float


@dataclass(frozen=True)
class ExportFigures:
    """All networks, and the seconds of whole processes by what they do."""

    bulk: list[BulkFigures]
    cold: dict[str, list[Seconds]]


def measure_export(headlines: Headlines, rows: int, rounds: int, command_rounds: int) -> ExportFigures:
    """Measure each network of `SHOWN`, the default one with its n-grams, and cold starts."""
    torch.set_num_threads(1)
    layers = [config for config in list_layers(headlines) if (config.cell, config.bidirectional) in SHOWN]
    default = make_config(headlines, ngrams=headlines.params.model.ngrams)
    tokens = take_rows(headlines.train.tokens, rows)
    with TemporaryDirectory() as name:
        bulk = [
            _measure_network(headlines, config, tokens, rounds, Path(name) / str(number), name_network(config))
            for number, config in enumerate(layers)
        ]
        some = headlines.train.tokens.cut(0, min(rows, len(headlines.train.tokens)))
        folder = Path(name) / "default"
        bulk.append(_measure_network(headlines, default, some, rounds, folder, "the default network, with n-grams"))
        return ExportFigures(bulk, _measure_starts(folder, command_rounds))


def name_network(config: ModelConfig) -> str:
    return f"{name_layer(config.cell, config.bidirectional)} of {config.hidden_size}"


def _measure_network(
    headlines: Headlines, config: ModelConfig, tokens: Tokens, rounds: int, folder: Path, name: str
) -> BulkFigures:
    models = folder / "models"
    models.mkdir(parents=True)
    class_names = load_untrained(headlines, config, models).class_names
    export_model(models, folder / "exported")
    network, model = load_network(models, class_names).network, load_model(models / "model.safetensors", config)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "exported" / "model.onnx", options)
    apart = np.abs(predict_with_onnx(session, tokens) - predict_all(network, tokens)).max()
    seconds = alternate(
        {
            "ours": lambda: time_processor(lambda: predict_all(network, tokens)),
            "ONNX Runtime": lambda: time_processor(lambda: predict_with_onnx(session, tokens)),
            "PyTorch": lambda: time_processor(lambda: compute_outputs(model, tokens, BATCH_ROWS)),
        },
        rounds,
    )
    return BulkFigures(name, len(tokens), seconds, float(apart))


def predict_with_onnx(session: Any, tokens: Tokens) -> np.ndarray:
    """Return the classes' probabilities, `[rows, classes]`, in batches of texts of about the same length."""
    order = np.argsort(-tokens.lengths, kind="stable")
    found = np.empty((len(tokens), session.get_outputs()[1].shape[1]), dtype=np.float32)
    for start in range(0, len(order), BATCH_ROWS):
        rows = order[start : start + BATCH_ROWS]
        inputs = {"ids": tokens.gather(rows), "lengths": tokens.lengths[rows]}
        if len(session.get_inputs()) > 2:
            inputs["ngrams"], inputs["ngram_counts"] = pad_ngrams(tokens, rows)
        (found[rows],) = session.run(["probabilities"], inputs)
    return found


def pad_ngrams(tokens: Tokens, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of the texts `rows`, `[batch, n-grams]` int64, padded, and how many each has, `[batch]`."""
    hashes, _ = tokens.gather_extras(rows)
    counts = np.diff(tokens.ngram_offsets)[rows]
    padded = np.zeros((len(rows), counts.max()), dtype=np.int64)
    padded[np.arange(counts.max()) < counts[:, None]] = hashes
    return padded, counts


def _measure_starts(folder: Path, rounds: int) -> dict[str, list[Seconds]]:
    """Alternate whole processes: our prediction of a headline, ONNX Runtime's import, and predict.py's prediction."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def start(*arguments: str) -> Seconds:
        def call() -> None:
            environment = kept | {"PYTHONPATH": str(ROOT / "src")}
            subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)

        return time_children(call)

    ours = "from unroll.cli.main import main; main()"
    calls: dict[str, Callable[[], Seconds]] = {
        "`unroll predict`": lambda: start("-c", ours, "predict", "--models", str(folder / "models"), HEADLINE),
        "`import onnxruntime` alone": lambda: start("-c", "import onnxruntime"),
        "`python predict.py`": lambda: start(str(folder / "exported" / "predict.py"), HEADLINE),
    }
    for call in calls.values():  # Python compiles what it has not compiled yet
        call()
    return alternate(calls, rounds)


def describe_export(figures: ExportFigures) -> Section:
    """Return the figures as the document shows them."""
    rows = []
    for item in figures.bulk:
        ratios = [other / own for own, other in zip(item.seconds["ours"], item.seconds["ONNX Runtime"], strict=True)]
        rows.append(
            (
                item.name,
                *(f"{item.rows / median(item.seconds[way]):,.0f}" for way in WAYS),
                f"{median(ratios):.2f} × ({min(ratios):.2f}–{max(ratios):.2f})",
                f"{item.apart:.0e}",
            )
        )
    starts = ", ".join(
        f"{name} {median(one.clock for one in taken):.2f} s ({median(one.processor for one in taken):.2f})"
        for name, taken in figures.cold.items()
    )
    return Section(
        "ONNX Runtime",
        f"Token ids to probabilities, {figures.bulk[0].rows:,} rows ({figures.bulk[-1].rows:,} with n-grams), the same "
        f"weights, untrained: our NumPy, ONNX Runtime {onnxruntime.__version__} on what `unroll export` wrote, "
        f"in batches of {BATCH_ROWS} texts of about the same length, and PyTorch in batches of {BATCH_ROWS}, most of "
        "equal length. CPU seconds, one thread, by turns; the ratio is that of ONNX Runtime's seconds to ours, by the "
        f"median of rounds. Cold, whole processes, median seconds by the clock (and of CPU): {starts}.",
        ("network", *(f"{way}, rows/s" for way in WAYS), "ours is faster", "apart at most"),
        rows,
        [],
    )
