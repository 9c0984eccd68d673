"""An epoch of training, ours and the textbook's, on the same rows with the same hyper-parameters."""

from dataclasses import dataclass
from statistics import median

import torch
from torch.utils.data import DataLoader

from benchmarks import textbook
from benchmarks.measure import Check, Comparison, Section, alternate, at_least, time_processor
from benchmarks.rows import Headlines, split_ids, take_rows
from unroll.base.devices import make_repeatable
from unroll.models.classifier import TextClassifier
from unroll.models.files import ModelConfig
from unroll.params.texts import ArchitectureParams, TextTrainParams
from unroll.text.tokens import Tokens
from unroll.training.loop import Task, train_model

LAYERS = (("rnn", False), ("gru", False), ("lstm", False), ("gru", True), ("lstm", True))
TARGETS = {"rnn": 3.3, "gru": 2.6, "lstm": 2.6}
STRETCH = {"rnn": 4, "gru": 3.3}  # of one direction
HIDDEN_SIZE, BATCH_SIZE = 128, 64
VALIDATION_ROWS = 64  # our loop always validates: on so few rows that it takes no time


@dataclass(frozen=True)
class EpochFigures:
    """One layer: our epoch beside the textbook's, on padded batches with a loop over last states and on packed ones."""

    cell: str
    bidirectional: bool
    steps: int
    padded: Comparison
    packed: Comparison


def measure_epochs(headlines: Headlines, rows: int, rounds: int) -> list[EpochFigures]:
    """Measure an epoch of so many rows for each of `LAYERS`."""
    train, val = take_rows(headlines.train.tokens, rows), take_rows(headlines.val.tokens, VALIDATION_ROWS)
    params = make_comparable(headlines.params.train)
    warm_up(headlines)
    return [_measure_layer(config, train, val, params, rounds) for config in list_layers(headlines)]


def warm_up(headlines: Headlines) -> None:
    """Take a step of each kind: PyTorch imports a good part of itself in the first one, which no layer causes."""
    params = make_comparable(headlines.params.train)
    few = take_rows(headlines.train.tokens, BATCH_SIZE)
    time_our_epoch(make_config(headlines), few, few, params)
    for packed in (True, False):
        time_textbook_epoch(make_config(headlines), few, params, packed)


def _measure_layer(
    config: ModelConfig, train: Tokens, val: Tokens, params: TextTrainParams, rounds: int
) -> EpochFigures:
    seconds = alternate(
        {
            "ours": lambda: time_our_epoch(config, train, val, params),
            "padded": lambda: time_textbook_epoch(config, train, params, packed=False),
            "packed": lambda: time_textbook_epoch(config, train, params, packed=True),
        },
        rounds,
    )
    return EpochFigures(
        config.cell,
        config.bidirectional,
        steps=-(-len(train) // BATCH_SIZE),
        padded=Comparison(seconds["ours"], seconds["padded"]),
        packed=Comparison(seconds["ours"], seconds["packed"]),
    )


def make_comparable(params: TextTrainParams) -> TextTrainParams:
    """Return the parameters of one epoch without what the textbook does not have."""
    changes = {"epochs": 1, "batch_size": BATCH_SIZE, "word_dropout": 0.0, "weight_average": 0.0}
    return params.model_copy(update=changes)


def list_layers(headlines: Headlines) -> list[ModelConfig]:
    """Return the models that are measured, those of `LAYERS`: of one size, whatever the default's is."""
    sizes = {"hidden_size": HIDDEN_SIZE, "pooling": "last"}
    return [make_config(headlines, cell=cell, bidirectional=both, **sizes) for cell, both in LAYERS]


def make_config(headlines: Headlines, **changes: object) -> ModelConfig:
    """Return the default model without n-grams, which the textbook does not have, with the given values changed."""
    model = headlines.params.model.model_copy(update={"ngrams": 0} | changes)
    values = model.model_dump(include=set(ArchitectureParams.model_fields))
    return ModelConfig(**values, vocabulary_size=headlines.vocabulary_size, classes=len(headlines.class_names))


def time_our_epoch(config: ModelConfig, train: Tokens, val: Tokens, params: TextTrainParams) -> float:
    """Return the processor seconds of a new model's first epoch in the package's own loop."""
    make_repeatable(params.threads, torch.device("cpu"))
    torch.manual_seed(params.seed)
    model = TextClassifier(config)
    return time_processor(lambda: train_model(model, Task(train, val, params)))


def time_textbook_epoch(config: ModelConfig, train: Tokens, params: TextTrainParams, packed: bool) -> float:
    """Return the processor seconds of a new textbook model's first epoch."""
    make_repeatable(params.threads, torch.device("cpu"))
    torch.manual_seed(params.seed)
    model = build_textbook(config, packed)
    loader = load_textbook(train, BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=params.learning_rate)
    return time_processor(lambda: textbook.train_epoch(model, loader, optimizer, params.clip_norm))


def build_textbook(config: ModelConfig, packed: bool) -> textbook.TextbookClassifier:
    """Return the textbook's model of the same sizes."""
    return textbook.TextbookClassifier(
        config.cell,
        config.vocabulary_size,
        config.embedding_size,
        config.hidden_size,
        config.classes,
        config.bidirectional,
        packed,
        config.embedding_dropout,
        config.dropout,
    )


def load_textbook(tokens: Tokens, batch_size: int, shuffle: bool) -> DataLoader:
    """Return the textbook's loader of the same rows."""
    dataset = textbook.HeadlineDataset(split_ids(tokens), tokens.labels.tolist())
    return DataLoader(dataset, batch_size, shuffle=shuffle, collate_fn=textbook.pad_batch)


def describe_epochs(figures: list[EpochFigures]) -> Section:
    """Return the figures as the document shows them."""
    rows = []
    for item in figures:
        milliseconds = [1000 * median(seconds) / item.steps for seconds in (item.padded.ours, item.padded.textbook)]
        other = " (other mathematics)" if item.bidirectional else ""
        rows.append(
            (
                name_layer(item.cell, item.bidirectional),
                *(f"{value:.1f}" for value in milliseconds),
                item.padded.text + other,
                item.packed.text,
            )
        )
    return Section(
        "Epoch",
        f"The first epoch of {figures[0].steps} steps with the same hyper-parameters, hidden size {HIDDEN_SIZE}: the "
        "package's own loop (`train_model`, without word dropout and weight average, pooling: last), compared with the "
        "textbook's, either with padded batches and a Python loop that gathers last states or with packed batches. "
        "Both clip gradients. CPU seconds, one thread, validation excluded.",
        ("layer", "ours, ms a step", "textbook, ms a step", "ratio to padded batches", "ratio to packed batches"),
        rows,
        [check for item in figures for check in _check(item)],
    )


def name_layer(cell: str, bidirectional: bool) -> str:
    """Return a layer's name, such as "bidirectional GRU"."""
    return f"{'bidirectional ' * bidirectional}{cell.upper()}"


def _check(item: EpochFigures) -> list[Check]:
    """Compare with the targets; a backward direction that reads padding does not compute what ours does."""
    name, target = f"epoch, {name_layer(item.cell, item.bidirectional)}", TARGETS[item.cell]
    if item.bidirectional:
        return [
            at_least(f"{name}, textbook packed", item.packed.ratio, target),
            at_least(f"{name}, textbook padded (other mathematics)", item.padded.ratio, target),
        ]
    checks = [at_least(name, item.padded.ratio, target)]
    if item.cell in STRETCH:
        checks.append(at_least(f"{name} (stretch)", item.padded.ratio, STRETCH[item.cell]))
    return checks
