"""Time to quality: seconds of training until the validation macro-F1 is as high as the textbook model ever gets."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks import textbook
from benchmarks.epochs import make_config, warm_up
from benchmarks.measure import Section, at_most, time_children
from benchmarks.rows import Headlines, limit_rows, prepare_headlines, run
from unroll.base.devices import make_repeatable
from unroll.base.files import load_array
from unroll.evaluation.validation import compute_macro_f1
from unroll.models.classifier import TextClassifier
from unroll.models.layers import limit_embedding
from unroll.stages.preprocess import choose_cleaning
from unroll.training.loop import Options, Task, train_model
from unroll.training.progress import Epoch

# What tutorials choose: one direction, PyTorch's random embedding, stop words dropped.
EMBEDDING_SIZE, HIDDEN_SIZE, DROPOUT, LEARNING_RATE, BATCH_ROWS, PATIENCE = 100, 128, 0.5, 0.001, 64, 3
SHARE = 0.1  # of the textbook's seconds


@dataclass(frozen=True)
class Score:
    """Validation macro-F1 after an epoch, and the processor seconds of training and validation until then."""

    seconds: float
    macro_f1: float


@dataclass(frozen=True)
class Run:
    """A training, epoch by epoch; before it, so many processor seconds of pretraining."""

    name: str
    pretraining: float
    scores: list[Score]

    @property
    def best(self) -> Score:
        return max(self.scores, key=lambda score: score.macro_f1)


@dataclass(frozen=True)
class QualityFigures:
    """The textbook's training to its end, and ours until they are as good."""

    train_rows: int
    val_rows: int
    textbook: Run
    ours: list[Run]


class ReachedGoal(Exception):
    """Ends a training: the epochs after it are not needed."""


def measure_quality(
    headlines: Headlines, train_rows: int, val_rows: int, file: Path | None, folder: Path | None
) -> QualityFigures:
    """Train the textbook's LSTM to its end, then the package's default model until it is as good.

    Ours starts from random vectors; and, where a folder is given for it to be pretrained in, as the default parameters
    have it.
    """
    headlines = limit_rows(headlines, train_rows, val_rows)
    warm_up(headlines)
    others = Run("textbook", 0, train_textbook(headlines))
    goal = others.best.macro_f1
    ours = [Run("ours, without pretraining", 0, train_ours(headlines, np.zeros((0, 0)), goal))]
    if folder:
        pretrained = prepare_headlines(folder, file, pretrain="skipgram")
        seconds = time_children(lambda: run(folder, "dvc", "repro", "pretrain")).processor
        vectors = load_array(folder / "data" / "vectors.npy", "vectors")
        ours.append(Run("ours", seconds, train_ours(pretrained, vectors, goal)))
    return QualityFigures(len(headlines.train.tokens), len(headlines.val.tokens), others, ours)


def train_ours(headlines: Headlines, vectors: np.ndarray, goal: float) -> list[Score]:
    """Train with the default parameters until the validation macro-F1 is at least `goal`, or training ends."""
    params = headlines.params.train
    make_repeatable(params.threads, torch.device("cpu"))
    torch.manual_seed(params.seed)
    model = TextClassifier(make_config(headlines))
    if len(vectors):
        model.start_from(vectors)
    model.set_submodule("embedding", limit_embedding(model.embedding, headlines.train.tokens.ids))
    embedding_rate = params.embedding_rate if len(vectors) else 1.0
    scores: list[Score] = []
    started = time.process_time()

    def note(epoch: Epoch) -> None:
        scores.append(Score(time.process_time() - started, epoch.val_scores["macro_f1"]))
        if epoch.val_scores["macro_f1"] >= goal:
            raise ReachedGoal

    train, val = headlines.train.tokens, headlines.val.tokens
    with suppress(ReachedGoal):
        train_model(model, Task(train, val, params, options=Options(embedding_rate=embedding_rate)), on_epoch=note)
    return scores


def train_textbook(headlines: Headlines) -> list[Score]:
    """Train the textbook's LSTM from the same raw rows until its macro-F1 has not risen for some epochs."""
    torch.set_num_threads(1)
    torch.manual_seed(headlines.params.train.seed)
    train, val, vocabulary_size = read_textbook(headlines)
    classes = len(headlines.class_names)
    model = textbook.TextbookClassifier("lstm", vocabulary_size, EMBEDDING_SIZE, HIDDEN_SIZE, classes, dropout=DROPOUT)
    actual = headlines.val.tokens.labels
    scores: list[Score] = []
    started = time.process_time()

    def validate() -> float:
        return compute_macro_f1(actual, textbook.predict(model, val).argmax(dim=1).numpy(), classes)

    def note(macro_f1: float) -> None:
        scores.append(Score(time.process_time() - started, macro_f1))

    clip_norm = headlines.params.train.clip_norm
    textbook.train(model, train, validate, LEARNING_RATE, clip_norm, PATIENCE, on_epoch=note)
    return scores


def read_textbook(headlines: Headlines) -> tuple[DataLoader, DataLoader, int]:
    """Return loaders of the training and the validation rows, without stop words, and the vocabulary's size."""
    dropping = headlines.params.preprocess.model_copy(update={"stop_words": "drop"})
    stop_words = textbook.compile_stop_words(choose_cleaning(dropping, headlines.params.data.dataset).stop_words)
    splits = (headlines.train, headlines.val)
    train, val = ([textbook.clean_text(text, stop_words) for text in split.texts] for split in splits)
    params = headlines.params.tokenize
    vocabulary = textbook.build_vocabulary(train, params.vocabulary_size, params.min_count)
    loaders: list[DataLoader] = []
    for texts, split, shuffle in ((train, headlines.train, True), (val, headlines.val, False)):
        ids = [textbook.encode_text(text, vocabulary, params.max_tokens) for text in texts]
        dataset = textbook.HeadlineDataset(ids, split.tokens.labels.tolist())
        loaders.append(DataLoader(dataset, BATCH_ROWS, shuffle=shuffle, collate_fn=textbook.pad_batch))
    first, second = loaders
    return first, second, len(vocabulary)


def describe_quality(figures: QualityFigures) -> Section:
    """Return the figures as the document shows them."""
    goal = figures.textbook.best
    rows, checks = [_write_row(figures.textbook)], []
    for item in figures.ours:
        rows.append(_write_row(item))
        share = item.best.seconds / goal.seconds if item.best.macro_f1 >= goal.macro_f1 else float("inf")
        checks.append(at_most(f"time to the textbook's best macro-F1, {item.name}", share, SHARE, "of the textbook's"))
    return Section(
        "Time to quality",
        f"{figures.train_rows:,} rows to train on, {figures.val_rows:,} to validate. The textbook's LSTM of "
        f"{HIDDEN_SIZE} (random embedding of {EMBEDDING_SIZE}, stop words dropped, dropout {DROPOUT}) trains until its "
        f"macro-F1 has not risen for {PATIENCE} epochs; the package's model, with the default parameters, until it is "
        "as good as the textbook's best epoch. CPU seconds, one thread, validation included on both sides; those of "
        "pretraining, which is done once for all trainings on the same rows, are listed separately.",
        ("model", "epochs", "seconds", "validation macro-F1", "seconds of pretraining"),
        rows,
        checks,
    )


def _write_row(item: Run) -> tuple[str, ...]:
    best = item.best
    epochs = str(item.scores.index(best) + 1)
    pretraining = f"{item.pretraining:.0f}" if item.pretraining else ""
    return item.name, epochs, f"{best.seconds:.1f}", f"{best.macro_f1:.4f}", pretraining
