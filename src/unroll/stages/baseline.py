"""data/splits/ → metrics/baseline.json and its predictions: a linear classifier on the rows of the networks."""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from unroll.base.files import write_json, write_table
from unroll.base.process import run_stage
from unroll.data.parquet import read_record_batches
from unroll.evaluation.baseline import choose_longest, fit_baseline
from unroll.evaluation.scores import compute_class_scores, compute_scores
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import read_text_params

SPLITS, METRICS = Path("data/splits"), Path("metrics")


def main() -> None:
    params = read_text_params()
    longest = choose_longest(measure_texts(SPLITS / "train.parquet"))
    if longest is not None:
        print(
            f"warning: the training texts are too long for the linear baseline: it reads the first {longest:,} "
            "characters of each, and no parts of words",
            file=sys.stderr,
        )
    rows = {name: read_rows(SPLITS / f"{name}.parquet", longest) for name in SPLIT_NAMES}
    texts = {name: table[0] for name, table in rows.items()}
    names = sorted(set(rows["train"][1]))
    numbers = {name: number for number, name in enumerate(names)}
    labels = {name: np.array([numbers[label] for label in table[1]]) for name, table in rows.items()}
    started = time.perf_counter()
    baseline = fit_baseline(texts["train"], labels["train"], texts["val"], labels["val"], are_cut=longest is not None)
    seconds = time.perf_counter() - started
    probabilities = baseline.predict(texts["test"])
    predicted = probabilities.argmax(axis=1)
    scores = compute_scores(labels["test"], probabilities, params.evaluate.calibration_bins)
    chosen = {"c": baseline.c, "temperature": baseline.temperature, "val_macro_f1": baseline.val_macro_f1}
    write_json(METRICS / "baseline.json", scores | chosen | {"parameters": baseline.parameters})
    write_json(METRICS / "baseline_per_class.json", compute_class_scores(labels["test"], predicted, names))
    write_predictions(names, labels["test"], predicted)
    if params.tracking.enabled:  # imported here: it only reports the baseline
        from unroll.tracking.baseline import log_baseline
        from unroll.tracking.store import connect

        log_baseline(connect(params.tracking.experiment), params, seconds)
    print(f"baseline: macro-F1 {scores['macro_f1']:.4f} on {len(labels['test']):,} test rows, C = {baseline.c:g}")


def measure_texts(path: Path) -> np.ndarray:
    """Return the number of characters of each text in a split, [rows] int64."""
    lengths = [pc.utf8_length(batch["text"]).to_numpy() for batch in read_record_batches(path, "text")]
    return np.concatenate(lengths).astype(np.int64)


def read_rows(path: Path, longest: int | None) -> tuple[list[str], list[str]]:
    """Return the texts of a split, of each so many characters at most, and their labels."""
    texts: list[str] = []
    labels: list[str] = []
    for batch in read_record_batches(path, "text", "label"):
        texts += pc.utf8_slice_codeunits(batch["text"], 0, longest).to_pylist()
        labels += batch["label"].to_pylist()
    return texts, labels


def write_predictions(class_names: list[str], labels: np.ndarray, predicted: np.ndarray) -> None:
    """Write the actual and the predicted class of each test row, for comparison with other models."""
    names = np.array(class_names, dtype=object)
    table = pd.DataFrame({"actual": names[labels], "predicted": names[predicted]})
    write_table(METRICS / "baseline.csv", table)


if __name__ == "__main__":
    run_stage(main)
