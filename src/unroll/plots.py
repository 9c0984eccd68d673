"""The picture of a training, for MLflow. DVC draws its own from metrics/plots/."""

import pandas as pd
from matplotlib.figure import Figure


def draw_learning_curves(history: pd.DataFrame) -> Figure:
    """Draw losses, and beside them the main validation score, over epochs; the epoch that was kept is marked.

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
