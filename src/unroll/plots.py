"""Pictures of results."""

import numpy as np
from matplotlib.figure import Figure


def draw_confusions(counts: np.ndarray, class_names: list[str]) -> Figure:
    """Draw a confusion matrix: counts ([classes, classes], actual × predicted), coloured by the share of each row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.5 + 0.8 * len(class_names)
    figure = Figure(figsize=(size + 0.5, size), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{counts[row, column]:,}\n{share:.0%}"
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black")
    axes.set_xticks(range(len(class_names)), class_names, rotation=30, ha="right")
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    axes.set_title("Confusion matrix, test split")
    return figure
