"""models/ and data/sequences/ → metrics/test.json and per_class.json, the data of plots, the most confused digits."""

from pathlib import Path

import numpy as np
import pandas as pd

from unroll.base.devices import choose_device, make_repeatable
from unroll.base.files import read_json, write_json, write_table
from unroll.base.process import run_stage
from unroll.evaluation.plots import draw_confusions, draw_learning_curves
from unroll.evaluation.scores import (
    compute_class_scores,
    compute_scores,
    count_confusions,
    tabulate_classes,
    tabulate_predictions,
)
from unroll.models.predict import compute_probabilities
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import load_sequences
from unroll.sequences.model import load_sequence_model
from unroll.sequences.params import PictureParams, read_sequence_params
from unroll.sequences.plots import draw_confused, save_figure
from unroll.tracking.evaluation import Evaluation, log_evaluation
from unroll.tracking.names import name_scores
from unroll.tracking.store import connect

SEQUENCES, MODELS, METRICS = Path("data/sequences"), Path("models"), Path("metrics")
PLOTS = METRICS / "plots"
BATCH_ROWS, SHOWN = 1024, 32


def main() -> None:
    params = read_sequence_params(PictureParams)
    device = choose_device(params.train.device, params.train.portable)
    make_repeatable(params.train.threads, device, params.train.portable)
    names = read_json(MODELS / "labels.json")
    model, config = load_sequence_model(MODELS)
    splits = {name: load_sequences(SEQUENCES, name) for name in SPLIT_NAMES}
    test = splits["test"]
    labels = np.array(test.targets)
    probabilities = compute_probabilities(model.to(device), test, BATCH_ROWS, config.temperature)
    predicted = probabilities.argmax(axis=1)

    scores = compute_scores(labels, probabilities, params.evaluate.calibration_bins)
    per_class = compute_class_scores(labels, predicted, names)
    worst = find_most_confused(labels, probabilities)[:SHOWN]
    titles = [f"{labels[row]} as {predicted[row]}: {probabilities[row].max():.0%}" for row in worst]
    confused = draw_confused(test.features[worst], titles)
    write_json(METRICS / "test.json", scores)
    write_json(METRICS / "per_class.json", per_class)
    write_table(PLOTS / "per_class.csv", tabulate_classes(per_class))
    write_table(PLOTS / "predictions.csv", tabulate_predictions(labels, predicted, names))
    save_figure(confused, PLOTS / "confused.png")
    if params.tracking.enabled:
        figures = {
            "learning_curves.png": draw_learning_curves(pd.read_csv(PLOTS / "history.csv")),
            "confusion_matrix.png": draw_confusions(count_confusions(labels, predicted, len(names)), names),
            "most_confused.png": confused,
        }
        summary = f"accuracy **{scores['accuracy']:.4f}** on the test split"
        metrics, files = name_scores(scores, per_class), ["test.json", "per_class.json"]
        evaluation = Evaluation(summary, metrics, files, figures)
        log_evaluation(connect(params.tracking.experiment), params, splits, evaluation)
    print(f"evaluate: accuracy {scores['accuracy']:.4f}, macro-F1 {scores['macro_f1']:.4f} on {len(labels):,} pictures")


def find_most_confused(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the rows that were taken for another class, the most confident mistakes first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


if __name__ == "__main__":
    run_stage(main)
