"""Plots of a training and of a classifier's results, for MLflow. DVC draws its own from metrics/plots/."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve

# These keep a plot to about a second and a few megabytes, however many classes there are.
WRITTEN = 20  # the most classes for which a confusion matrix shows its numbers
TICKS = 80  # the most names at its edges
CURVES = 10  # classes in one picture of curves: as many as there are colours


def draw_confusions(counts: np.ndarray, class_names: list[str]) -> Figure:
    """Draw a confusion matrix: counts ([classes, classes], actual × predicted), coloured by the share of each row.

    Beyond `WRITTEN` classes the plot stops growing: it has no numbers, and not every class's name.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.5 + 0.8 * min(len(class_names), WRITTEN)
    figure = Figure(figsize=(size + 0.5, size), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    rotation, alignment = 90, "center"
    if len(class_names) <= WRITTEN:
        rotation, alignment = 30, "right"
        for (row, column), share in np.ndenumerate(shares):
            text = f"{counts[row, column]:,}\n{share:.0%}"
            axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black")
    ticks = range(0, len(class_names), -(-len(class_names) // TICKS))
    names = [class_names[number] for number in ticks]
    # Escape dollar signs, which would begin a formula.
    axes.set_xticks(ticks, names, rotation=rotation, ha=alignment, parse_math=False)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    axes.set_title("Confusion matrix, test split")
    return figure


def draw_precision_recall(labels: np.ndarray, probabilities: np.ndarray, class_names: list[str]) -> Figure:
    """Draw precision over recall for each class against the others, with its average precision.

    If there are more than `CURVES` classes, draw those of the lowest average precision. labels: [rows] int64;
    probabilities: [rows, classes].
    """
    figure = Figure(figsize=(5.6, 5), layout="constrained")
    axes = _prepare_unit_square(figure, "recall", "precision")
    there = np.unique(labels)  # a class without rows in this split has no recall
    averages = {number: average_precision_score(labels == number, probabilities[:, number]) for number in there}
    drawn = sorted(sorted(there, key=averages.__getitem__)[:CURVES])
    for number in drawn:
        precision, recall, _ = precision_recall_curve(labels == number, probabilities[:, number])
        label = f"{class_names[number]} ({averages[number]:.3f})"
        axes.step(recall, precision, where="post", label=label)
    others = len(there) - len(drawn)
    which = f"\nthe lowest {len(drawn)} classes, {others:,} others left out" if others else ""
    axes.set_title(f"Precision and recall, test split{which}")
    legend = axes.legend(title="class (average precision)", loc="lower left")
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def draw_reliability(reliability: pd.DataFrame, error: float) -> Figure:
    """Draw accuracy over confidence, and below it a histogram of the confidences.

    reliability: the rows of `unroll.evaluation.scores.compute_reliability`; error: their expected calibration error.
    """
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    axes = _prepare_unit_square(figure, "", "accuracy", top)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="as confident as right")
    axes.plot(reliability["confidence"], reliability["accuracy"], "o-", label="predictions")
    axes.set_title(f"Reliability, test split (calibration error {error:.3f})")
    axes.legend(loc="upper left")
    bottom.bar(reliability["confidence"], reliability["count"], width=0.04)
    bottom.set_xlabel("confidence")
    bottom.set_ylabel("rows")
    return figure


def _prepare_unit_square(figure: Figure, x: str, y: str, axes: Axes | None = None) -> Axes:
    axes = axes or figure.add_subplot()
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    return axes


def draw_learning_curves(history: pd.DataFrame) -> Figure:
    """Draw losses and, beside them, the main validation score over epochs; mark the epoch that was kept.

    history: one row for each epoch, the columns of metrics/plots/history.csv.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    best = history["epoch"][history["val_loss"].idxmin()]
    losses.plot(history["epoch"], history["train_loss"], ".-", label="training")
    losses.plot(history["epoch"], history["val_loss"], ".-", label="validation")
    main_score = [name for name in history if name.startswith("val_")][-1]
    scores.plot(history["epoch"], history[main_score], ".-", color="C1", label="validation")
    title = main_score.removeprefix("val_").replace("macro_f1", "macro-F1").replace("rmse", "RMSE")
    for axes, name in ((losses, "loss"), (scores, title)):
        axes.axvline(best, color="grey", linestyle=":", label=f"epoch {best}, kept")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure
