"""Plots of the results of models of real-valued sequences."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unroll.base.files import replace_when_done

MOST_FITS = 8


def draw_forecast(truth: np.ndarray, forecast: np.ndarray, run: np.ndarray, distance: float) -> Figure:
    """Draw waves below each other: the truth, forecasts one step ahead, and after them the free run.

    forecast: [waves, steps]; run: [waves, free steps], which begins with the last forecast; truth: [waves, all steps];
    distance: the time between two steps.
    """
    figure = Figure(figsize=(9, 1.6 * len(truth) + 0.6), layout="constrained")
    for axes, *wave in zip(
        figure.subplots(len(truth), 1, sharex=True, squeeze=False).flat, truth, forecast, run, strict=True
    ):
        times = distance * np.arange(1, truth.shape[1] + 1)
        seen = forecast.shape[1]
        axes.plot(times, wave[0], color="black", linewidth=1, label="truth")
        axes.plot(times[:seen], wave[1], ".", color="C0", markersize=4, label="one step ahead")
        axes.plot(times[seen - 1 :], wave[2], ".", color="C3", markersize=4, label="free run")
        axes.axvline(times[seen - 1], color="grey", linestyle=":")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(loc="upper right", ncols=3)
    figure.axes[-1].set_xlabel("time")
    return figure


def draw_fits(fits: pd.DataFrame, truth: np.ndarray) -> Figure:
    """Draw the fit to one stretch of time after some epochs, as small multiples; truth: [steps].

    fits: a column for each epoch, a row for each step.
    """
    chosen = np.unique(np.geomspace(1, len(fits.columns), MOST_FITS).round().astype(int)) - 1
    figure = Figure(figsize=(10, 1.5 * ((len(chosen) + 1) // 2) + 0.4), layout="constrained")
    grid = figure.subplots((len(chosen) + 1) // 2, 2, sharex=True, sharey=True, squeeze=False)
    for axes, number in zip(grid.flat, chosen, strict=False):
        axes.plot(truth, color="black", linewidth=1, label="cosine")
        axes.plot(fits.iloc[:, number], ".", color="C3", markersize=3, label="fit")
        error = np.mean((fits.iloc[:, number] - truth) ** 2)
        axes.set_title(f"{fits.columns[number]}: mean squared error {error:.2g}", fontsize="medium")
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(chosen) :]:
        axes.set_axis_off()
    grid[0, 0].legend(loc="upper right", ncols=2)
    return figure


def draw_confused(pictures: np.ndarray, titles: list[str]) -> Figure:
    """Draw pictures, [pictures, rows, columns], in a grid, each with its title."""
    columns = 8
    rows = max((len(pictures) + columns - 1) // columns, 1)
    figure = Figure(figsize=(1.25 * columns, 1.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture, title in zip(grid.flat, pictures, titles, strict=False):
        axes.imshow(picture, cmap="gray_r")
        axes.set_title(title, fontsize="small")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture as PNG, the same bytes for the same picture."""
    with replace_when_done(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
