"""models/ and the test split → metrics/test.json, per_class.json, data of plots, the worst mistakes, the model card."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch

from unroll.base.devices import Portable, choose_device, make_repeatable
from unroll.base.errors import InputError
from unroll.base.files import read_json, replace_when_done, write_json, write_table
from unroll.base.parts import open_workers
from unroll.base.process import run_stage
from unroll.evaluation.bootstrap import bootstrap_f1, bootstrap_macro_f1
from unroll.evaluation.card import Facts, drop_header, render_card
from unroll.evaluation.plots import draw_confusions, draw_learning_curves, draw_precision_recall, draw_reliability
from unroll.evaluation.scores import (
    compute_class_scores,
    compute_reliability,
    compute_scores,
    count_confusions,
    tabulate_classes,
    tabulate_predictions,
)
from unroll.models.classifier import TextClassifier, load_model
from unroll.models.files import TEXT_PARTS, check_parts, load_config, load_labels
from unroll.models.predict import compute_probabilities
from unroll.params.common import SPLIT_NAMES, TrainParams
from unroll.params.texts import read_text_params
from unroll.text.tokens import Tokens, load_tokens
from unroll.tracking.baseline import log_baseline
from unroll.tracking.evaluation import Evaluation, log_evaluation
from unroll.tracking.names import name_scores
from unroll.tracking.store import connect

SPLITS, TOKENS, MODELS, METRICS = Path("data/splits"), Path("data/tokens"), Path("models"), Path("metrics")
PLOTS = METRICS / "plots"
QUOTED = ("baseline", "baseline_per_class", "data", "per_class", "test", "tokens", "train")  # metrics in the card
BATCH_ROWS = 1024
PART_ROWS = 50_000  # batches are made within a part, so another number may change last digits


def main() -> None:
    params = read_text_params()
    device = choose_device(params.train.device, params.train.portable)
    make_repeatable(params.train.threads, device, params.train.portable)
    names = load_labels(MODELS / "labels.json")
    splits = {name: load_tokens(TOKENS, name) for name in SPLIT_NAMES}
    labels = splits["test"].labels
    config = load_config(MODELS / "config.json")
    model = load_model(MODELS / "model.safetensors", config).to(device)
    check_parts(MODELS, TEXT_PARTS)
    probabilities = predict_in_parts(model, splits["test"], config.temperature, params.train)
    predicted = probabilities.argmax(axis=1)

    over = bootstrap_macro_f1(labels, predicted, read_baseline(names, labels), len(names))
    scores = compute_scores(labels, probabilities, params.evaluate.calibration_bins)
    scores |= {"over_baseline": over.difference, "over_baseline_low": over.low, "over_baseline_high": over.high}
    of_classes, (scores["macro_f1_low"], scores["macro_f1_high"]) = bootstrap_f1(labels, predicted, len(names))
    per_class = compute_class_scores(labels, predicted, names)
    for (low, high), values in zip(of_classes.T.tolist(), per_class["classes"].values(), strict=True):
        values |= {"f1_low": low, "f1_high": high}
    per_class["rows"] = {name: count_rows(name, names) for name in SPLIT_NAMES}
    reliability = compute_reliability(labels, probabilities, params.evaluate.calibration_bins)
    rows = pq.read_table(SPLITS / "test.parquet", columns=["text", "part", "row"]).to_pandas()
    mistakes = list_mistakes(rows, labels, probabilities, names, params.evaluate.mistakes)

    write_json(METRICS / "test.json", scores)
    write_json(METRICS / "per_class.json", per_class)
    write_table(PLOTS / "per_class.csv", tabulate_classes(per_class))
    write_table(PLOTS / "predictions.csv", tabulate_predictions(labels, predicted, names))
    write_table(PLOTS / "reliability.csv", reliability)
    write_table(METRICS / "mistakes.csv", mistakes)
    written = {name: read_json(METRICS / f"{name}.json") for name in QUOTED}
    card = render_card(Facts(params, config.model_dump(), written, mistakes))
    with replace_when_done(MODELS / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")
    if params.tracking.enabled:
        figures = {
            "learning_curves.png": draw_learning_curves(pd.read_csv(PLOTS / "history.csv")),
            "confusion_matrix.png": draw_confusions(count_confusions(labels, predicted, len(names)), names),
            "precision_recall.png": draw_precision_recall(labels, probabilities, names),
            "reliability.png": draw_reliability(reliability, scores["calibration_error"]),
        }
        val = read_json(METRICS / "train.json")["val_macro_f1"]
        summary = f"macro-F1 **{scores['macro_f1']:.4f}** on the test split, {val:.4f} on the validation split"
        metrics, files = name_scores(scores, per_class), ["test.json", "per_class.json"]
        store = connect(params.tracking.experiment)
        log_baseline(store, params, splits["val"])  # its stage does not run if DVC has its results
        evaluation = Evaluation(summary, metrics, files, figures, {"mistakes.json": mistakes}, drop_header(card))
        log_evaluation(store, params, splits, evaluation)
    print(
        f"evaluate: macro-F1 {scores['macro_f1']:.4f}, accuracy {scores['accuracy']:.4f} on {len(labels):,} test rows; "
        f"the linear baseline has {scores['macro_f1'] - over.difference:.4f}, difference {over.difference:+.4f} "
        f"[{over.low:+.4f}, {over.high:+.4f}]"
    )


def predict_in_parts(model: TextClassifier, tokens: Tokens, temperature: float, params: TrainParams) -> np.ndarray:
    """Return the classes' probabilities for each text, `[rows, classes]` float64.

    On the CPU, parts of the texts go to the processes that `UNROLL_WORKERS` asks for; not to a cluster, as the bytes
    depend on how a process was started.
    """
    parts = (tokens.cut(first, first + PART_ROWS) for first in range(0, len(tokens), PART_ROWS))
    with open_workers(local=True) as workers:
        if workers.executor is None or next(model.parameters()).device.type != "cpu":
            return np.concatenate([compute_probabilities(model, part, BATCH_ROWS, temperature) for part in parts])
        return np.concatenate(list(workers.map(partial(predict_part, params.threads, params.portable), parts)))


def predict_part(threads: int, portable: Portable, part: Tokens) -> np.ndarray:
    """Do the same for a part of the texts, in a process of its own."""
    model, temperature = prepare(threads, portable)
    return compute_probabilities(model, part, BATCH_ROWS, temperature)


@lru_cache(1)
def prepare(threads: int, portable: Portable) -> tuple[TextClassifier, float]:
    make_repeatable(threads, torch.device("cpu"), portable)
    config = load_config(MODELS / "config.json")
    return load_model(MODELS / "model.safetensors", config), config.temperature


def read_baseline(class_names: list[str], labels: np.ndarray) -> np.ndarray:
    """Return the classes that the baseline predicted for the test rows, [rows] int64.

    Raises:
        InputError: the predictions are for other rows.
    """
    table = pd.read_csv(METRICS / "baseline.csv", dtype=str, keep_default_na=False)
    names = np.array(class_names, dtype=object)
    if len(table) != len(labels) or (table["actual"].to_numpy() != names[labels]).any():
        raise InputError(f"{METRICS / 'baseline.csv'} is not of the test rows in {TOKENS}: `dvc repro` makes both anew")
    return np.searchsorted(class_names, table["predicted"].to_numpy())


def count_rows(split: str, class_names: list[str]) -> dict[str, int]:
    """Return how many rows of each class a split has."""
    labels = pq.read_table(SPLITS / f"{split}.parquet", columns=["label"])["label"]
    counts = {row["values"]: row["counts"] for row in labels.value_counts().to_pylist()}
    return {name: counts.get(name, 0) for name in class_names}


def list_mistakes(
    rows: pd.DataFrame, labels: np.ndarray, probabilities: np.ndarray, class_names: list[str], count: int
) -> pd.DataFrame:
    """Return the wrong predictions that the model was most confident of, the most confident first.

    rows: text, part and row (its number in the raw file) of each row of the split; labels: [rows] int64;
    probabilities: [rows, classes].
    """
    names = np.array(class_names, dtype=object)
    predicted = probabilities.argmax(axis=1)
    table = pd.DataFrame(
        {
            "text": rows["text"],
            "actual": names[labels],
            "predicted": names[predicted],
            "confidence": probabilities.max(axis=1).astype(np.float64).round(6),
            "part": rows["part"],
            "row": rows["row"],
        }
    )
    wrong = table[predicted != labels]
    return wrong.sort_values(["confidence", "text"], ascending=[False, True]).head(count).reset_index(drop=True)


if __name__ == "__main__":
    run_stage(main)
