"""Predictions in bulk, ours and the textbook's, and of one headline in a running process."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file

from benchmarks import textbook
from benchmarks.epochs import build_textbook, list_layers, load_textbook, name_layer
from benchmarks.measure import Comparison, Section, at_least, at_most, compare, time_processor
from benchmarks.rows import Headlines, take_rows, tile_texts
from unroll.base.files import write_json
from unroll.inference.classifier import Classifier, load_classifier, load_network
from unroll.inference.forward import predict_all
from unroll.models.classifier import TextClassifier
from unroll.models.files import TEXT_PARTS, ModelConfig, write_checksums

BATCH_ROWS = 1024
SINGLES = 300  # headlines that are classified one by one, in each round
TARGET, RNN_STRETCH = 2.3, 6
MOST_MICROSECONDS = {"rnn": 60, "gru": 150}


@dataclass(frozen=True)
class InferenceFigures:
    """One layer: a number of rows in bulk beside the textbook, and the microseconds of one headline by round."""

    cell: str
    bidirectional: bool
    rows: int
    bulk: Comparison
    single: list[float]


def measure_inference(headlines: Headlines, rows: int, rounds: int) -> list[InferenceFigures]:
    """Measure each of `LAYERS`, with weights as they are before training: they do not matter here."""
    torch.set_num_threads(1)
    return [_measure_layer(headlines, config, rows, rounds) for config in list_layers(headlines)]


def _measure_layer(headlines: Headlines, config: ModelConfig, rows: int, rounds: int) -> InferenceFigures:
    tokens = take_rows(headlines.train.tokens, rows)
    loader = load_textbook(tokens, BATCH_ROWS, shuffle=False)
    # Where a backward direction would read padding, only packing computes the same.
    model = build_textbook(config, packed=config.bidirectional)
    with TemporaryDirectory() as folder:
        classifier = load_untrained(headlines, config, Path(folder))
        network = load_network(Path(folder), classifier.class_names).network
    bulk = compare(
        lambda: predict_all(network, tokens),
        lambda: textbook.predict(model, loader),
        rounds,
    )
    singles = tile_texts(headlines.val.texts, SINGLES)
    seconds = [time_processor(lambda: predict_one_by_one(classifier, singles)) for _ in range(rounds)]
    microseconds = [1e6 * value / SINGLES for value in seconds]
    return InferenceFigures(config.cell, config.bidirectional, rows, bulk, microseconds)


def predict_one_by_one(classifier: Classifier, texts: list[str]) -> None:
    """Classify raw texts with a call for each."""
    for text in texts:
        classifier.predict([text])


def load_untrained(headlines: Headlines, config: ModelConfig, folder: Path) -> Classifier:
    """Write a new model into `folder` as training does, and load it as `unroll predict` does."""
    for name in ("cleaning.json", "labels.json", "tokenizer.json"):
        shutil.copy(headlines.folder / "models" / name, folder)
    write_json(folder / "config.json", config.model_dump())
    save_file(TextClassifier(config).state_dict(), folder / "model.safetensors")
    write_checksums(folder, TEXT_PARTS)
    return load_classifier(folder)


def describe_inference(figures: list[InferenceFigures]) -> Section:
    """Return the figures as the document shows them."""
    rows, checks = [], []
    for item in figures:
        name = name_layer(item.cell, item.bidirectional)
        rows_per_second = item.rows / median(item.bulk.ours)
        rows.append(
            (
                name,
                f"{rows_per_second:,.0f}",
                item.bulk.text,
                f"{median(item.single):.0f} ({min(item.single):.0f}–{max(item.single):.0f})",
            )
        )
        checks.append(at_least(f"bulk inference, {name}", item.bulk.ratio, TARGET))
        if not item.bidirectional:
            if item.cell == "rnn":
                checks.append(at_least(f"bulk inference, {name} (stretch)", item.bulk.ratio, RNN_STRETCH))
            if item.cell in MOST_MICROSECONDS:
                limit = MOST_MICROSECONDS[item.cell]
                checks.append(at_most(f"one headline, warm, {name}", median(item.single), limit, "µs"))
    return Section(
        "Inference",
        f"Token ids to probabilities, {figures[0].rows:,} rows, the textbook's in batches of {BATCH_ROWS:,}; its "
        "bidirectional layers are packed. And one raw headline in a running process by `Classifier.predict`, mean over "
        f"{SINGLES} headlines. CPU seconds, one thread.",
        ("layer", "rows/s", "ratio to the textbook", "one headline, µs"),
        rows,
        checks,
    )
