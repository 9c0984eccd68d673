"""Print what an epoch of film reviews costs with the light and the tutorial's preset, side by side.

Run it in pipelines/imdb after `dvc repro`: `PYTHONPATH=../.. python -m benchmarks.imdb_presets`. Both train on the same
random batches of 64 reviews, in turn; an epoch's seconds are those of as many batches as the data have.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from unroll.cli.console import Format, print_table
from unroll.models.batches import make_batch, plan_batches
from unroll.models.classifier import TextClassifier
from unroll.models.files import ModelConfig
from unroll.params.texts import ArchitectureParams, read_text_params
from unroll.text.tokens import Tokens, load_tokens

BATCHES, BATCH_SIZE = 12, 64
TUTORIAL: dict[str, Any] = {"cell": "lstm", "layers": 2, "hidden_size": 256, "dropout": 0.5, "pooling": "last"}


def main() -> None:
    params = read_text_params()
    torch.set_num_threads(params.train.threads)
    train = load_tokens(Path("data/tokens"), "train")
    values = params.model.model_dump(include=set(ArchitectureParams.model_fields))
    sizes: dict[str, Any] = {"vocabulary_size": int(train.ids.max()) + 1, "classes": 2}
    presets = {"light": ModelConfig(**values, **sizes), "tutorial": ModelConfig(**(values | TUTORIAL), **sizes)}
    plan = plan_batches(train.lengths, BATCH_SIZE, np.random.default_rng(params.train.seed))
    seconds = time_steps(train, presets, plan[:BATCHES])
    rows = []
    for name, config in presets.items():
        step = statistics.fmean(seconds[name])
        rows.append(
            [name, f"{step:.2f}", f"{step * len(plan):,.0f}", f"{step / statistics.fmean(seconds['light']):.1f}"]
        )
        rows[-1].insert(1, f"{config.cell} {config.layers} x {config.hidden_size}")
    print(f"{len(train):,} reviews of {train.lengths.mean():.0f} tokens, {len(plan)} batches, {BATCHES} of them timed")
    print_table(["preset", "layers", "seconds_a_step", "seconds_an_epoch", "times_light"], rows, Format.TABLE)


def time_steps(train: Tokens, presets: dict[str, ModelConfig], plan: list[np.ndarray]) -> dict[str, list[float]]:
    """Return how many seconds each preset's training steps take, one batch after the other for both in turn."""
    models = {name: TextClassifier(config) for name, config in presets.items()}
    optimizers = {name: torch.optim.Adam(model.parameters(), fused=True) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in presets}
    for rows in plan:
        batch = make_batch(train, rows)
        for name, model in models.items():
            started = time.perf_counter()
            loss = cross_entropy(model(batch.inputs, batch.lengths), batch.targets)
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
            seconds[name].append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
