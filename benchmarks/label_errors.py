"""Print how many planted label errors `unroll labels` finds: a row of the table in docs/data.md.

Run it in a pipeline's folder after `dvc repro split`: `python -m benchmarks.label_errors`. The given labels count as
right, though some are not.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from unroll.base.process import run_stage
from unroll.cli.console import Format, print_table
from unroll.look.labels import find_suspects
from unroll.params.texts import read_text_params

TRAIN = Path("data/splits/train.parquet")
SHARE = 0.05  # of the rows that get a wrong label
FOLDS, SEEDS = 5, (1, 2, 3)


@dataclass(frozen=True)
class Found:
    """What became of planted errors; `at_k` is the share found among as many suspects as there are errors."""

    planted: int
    suspects: int
    at_k: float
    recall: float


def main() -> None:
    rows = pq.read_table(TRAIN, columns=["text", "label"])
    texts = rows["text"].to_pylist()
    _, labels = np.unique(rows["label"].to_pylist(), return_inverse=True)
    max_tokens = read_text_params().tokenize.max_tokens
    started = time.process_time()
    found = [measure_recall(texts, labels, max_tokens, seed) for seed in SEEDS]
    seconds = (time.process_time() - started) / len(SEEDS)
    at_k, recall, suspects = (
        np.array([getattr(one, name) for one in found]) for name in ("at_k", "recall", "suspects")
    )
    columns = [
        "rows",
        "classes",
        "planted",
        "recall_at_k",
        "chance",
        "times_chance",
        "suspects",
        "recall",
        "cpu_seconds",
    ]
    cells = [
        f"{len(texts):,}",
        str(labels.max() + 1),
        f"{found[0].planted:,}",
        f"{at_k.mean():.3f} ± {at_k.std(ddof=1):.3f}",
        f"{SHARE:.3f}",
        f"{at_k.mean() / SHARE:.1f}",
        f"{suspects.mean():,.0f}",
        f"{recall.mean():.3f} ± {recall.std(ddof=1):.3f}",
        f"{seconds:.0f}",
    ]
    print_table(columns, [cells], Format.MARKDOWN)


def plant_errors(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels ([rows] int64) some of which are of another class, chosen at random, and which, [rows] bool."""
    random = np.random.default_rng(seed)
    planted = random.choice(len(labels), round(share * len(labels)), replace=False)
    classes = int(labels.max()) + 1
    wrong = labels.copy()
    wrong[planted] = (labels[planted] + random.integers(1, classes, len(planted))) % classes
    return wrong, wrong != labels


def measure_recall(texts: list[str], labels: np.ndarray, max_tokens: int, seed: int) -> Found:
    """Plant errors and look for them; texts: [rows], cleaned; labels: [rows] int64."""
    wrong, is_planted = plant_errors(labels, SHARE, seed)
    suspects = find_suspects(texts, wrong, max_tokens, FOLDS, seed).rows
    planted = int(is_planted.sum())
    at_k, recall = (int(is_planted[rows].sum()) / planted for rows in (suspects[:planted], suspects))
    return Found(planted, len(suspects), at_k, recall)


if __name__ == "__main__":
    run_stage(main)
