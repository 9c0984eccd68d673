"""models/ and data/sequences/ → metrics/test.json and the model's answer, letter by letter."""

from pathlib import Path

import pandas as pd
import torch

from unroll.base.devices import make_repeatable
from unroll.base.files import read_json, write_json, write_table
from unroll.base.process import run_stage
from unroll.evaluation.plots import draw_learning_curves
from unroll.models.predict import compute_outputs
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import load_sequences
from unroll.sequences.model import load_sequence_model
from unroll.sequences.params import HelloParams, read_sequence_params
from unroll.tracking.evaluation import log_scores

SEQUENCES, MODELS, METRICS = Path("data/sequences"), Path("models"), Path("metrics")


def main() -> None:
    params = read_sequence_params(HelloParams)
    make_repeatable(params.train.threads, torch.device("cpu"), params.train.portable)
    model, _ = load_sequence_model(MODELS)
    letters = read_json(MODELS / "labels.json")
    splits = {name: load_sequences(SEQUENCES, name) for name in SPLIT_NAMES}
    probabilities = torch.softmax(compute_outputs(model, splits["test"], 1)[0], dim=1)
    answer = "".join(letters[number] for number in probabilities.argmax(dim=1))
    history = pd.read_csv(METRICS / "plots" / "history.csv")

    right = sum(a == b for a, b in zip(answer, params.data.target, strict=True))
    scores = {"accuracy": right / len(answer), "epochs_until_right": count_epochs(history)}
    write_json(METRICS / "test.json", scores)
    words = {"input": list(params.data.input), "target": list(params.data.target), "answer": list(answer)}
    write_table(METRICS / "plots" / "answer.csv", pd.DataFrame(words | {"probability": probabilities.amax(dim=1)}))
    summary = f"{params.data.input} → **{answer}**, {right} of {len(answer)} letters right"
    figures = {"learning_curves.png": draw_learning_curves(history)}
    log_scores(params, splits, summary, scores, figures)
    print(f"evaluate: {params.data.input} → {answer}, {right} of {len(answer)} letters right")


def count_epochs(history: pd.DataFrame) -> int:
    """Return the first epoch after which all letters were right, or 0 if there is none."""
    right = history["epoch"][history["val_accuracy"] == 1]
    return int(right.min()) if len(right) else 0


if __name__ == "__main__":
    run_stage(main)
