"""data/splits/ → models/linear/, metrics/baseline.json and its predictions: a linear classifier."""

import shutil
import time
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from unroll.base.files import write_json, write_table
from unroll.base.process import run_stage
from unroll.data.parquet import read_split
from unroll.evaluation.scores import compute_class_scores, compute_scores
from unroll.linear.fit import fit_linear
from unroll.linear.model import load_linear, save_linear
from unroll.models.files import LINEAR_PARTS, write_checksums
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import read_text_params
from unroll.text.ngrams import CHARACTERS, make_hasher
from unroll.text.tokens import Tokens

SPLITS, MODELS, METRICS = Path("data/splits"), Path("models"), Path("metrics")
LINEAR = MODELS / "linear"
MOST_ROWS = {"train": 1_000_000, "val": 200_000}  # that it learns from and is tuned on; more would fill the memory
SHARED = ("cleaning.json", "labels.json")  # of models/: without them, it could not read a text or name a class


def main() -> None:
    params = read_text_params()
    longest = CHARACTERS * params.tokenize.max_tokens
    rows = {name: read_rows(name, longest, MOST_ROWS.get(name)) for name in SPLIT_NAMES}
    names = sorted(set(rows["train"][1]))
    numbers = {name: number for number, name in enumerate(names)}
    labels = {name: np.array([numbers[label] for label in table[1]]) for name, table in rows.items()}
    (texts, _), (val_texts, _) = rows["train"], rows["val"]
    started = time.perf_counter()
    fit = fit_linear(texts, labels["train"], val_texts, labels["val"], params.tokenize.max_tokens)
    seconds = time.perf_counter() - started
    save_linear(fit.model, LINEAR)
    for name in SHARED:
        shutil.copyfile(MODELS / name, LINEAR / name)
    write_checksums(LINEAR, LINEAR_PARTS)
    model = load_linear(LINEAR, names)  # so that the scores are those of what was written
    if len(model.vocabularies) == 1:
        print("baseline: no characters inside words, as there is too much text or too many classes for them")
    probabilities = model.predict(rows["test"][0])
    predicted = probabilities.argmax(axis=1)
    scores = compute_scores(labels["test"], probabilities, params.evaluate.calibration_bins)
    chosen = {"c": fit.c, "temperature": model.config.temperature, "val_macro_f1": fit.val_macro_f1}
    write_json(METRICS / "baseline.json", scores | chosen | {"parameters": model.parameters})
    write_json(METRICS / "baseline_per_class.json", compute_class_scores(labels["test"], predicted, names))
    write_predictions(names, labels["test"], predicted)
    if params.tracking.enabled:  # imported here: it only reports the baseline
        from unroll.tracking.baseline import log_baseline
        from unroll.tracking.store import connect

        hash_text = make_hasher(params.tokenize.max_tokens)
        val = Tokens.from_lists([[]] * len(val_texts), labels["val"].tolist(), [hash_text(text) for text in val_texts])
        log_baseline(connect(params.tracking.experiment), params, val, seconds)
    print(f"baseline: macro-F1 {scores['macro_f1']:.4f} on {len(labels['test']):,} test rows, C = {fit.c:g}")


def read_rows(split: str, longest: int, most: int | None) -> tuple[list[str], list[str]]:
    """Return the texts of a split, of each so many characters at most, and their labels.

    most: of more rows than that, only every second is taken, or every third, and the first one of each class.
    """
    texts: list[str] = []
    labels: list[str] = []
    rows = sum(map(len, read_split(SPLITS, split, "label")))
    every = -(-rows // most) if most else 1
    if every > 1:
        print(f"baseline: only every {every}th of the {rows:,} {split} texts, as it holds them in memory")
    numbers, known = count(), set[str]()
    for batch in read_split(SPLITS, split, "text", "label"):
        cut = pc.utf8_slice_codeunits(batch["text"], 0, longest).to_pylist()
        for text, label in zip(cut, batch["label"].to_pylist(), strict=True):
            if next(numbers) % every == 0 or label not in known:
                known.add(label)
                texts.append(text)
                labels.append(label)
    return texts, labels


def write_predictions(class_names: list[str], labels: np.ndarray, predicted: np.ndarray) -> None:
    """Write the actual and the predicted class of each test row, for comparison with other models."""
    names = np.array(class_names, dtype=object)
    table = pd.DataFrame({"actual": names[labels], "predicted": names[predicted]})
    write_table(METRICS / "baseline.csv", table)


if __name__ == "__main__":
    run_stage(main)
