"""models/ and data/sequences/ → metrics/test.json, and a picture of one-step forecasts and of a free run."""

from pathlib import Path

import numpy as np
import torch

from unroll.base.devices import make_repeatable
from unroll.base.files import write_json
from unroll.base.process import run_stage
from unroll.models.batches import choose_batch_size
from unroll.models.predict import compute_outputs
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import load_sequences
from unroll.sequences.model import free_run, load_sequence_model
from unroll.sequences.params import SineParams, read_sequence_params
from unroll.sequences.plots import draw_forecast, save_figure
from unroll.sequences.waves import draw_phases, make_waves
from unroll.tracking.evaluation import log_scores

SEQUENCES, MODELS, METRICS = Path("data/sequences"), Path("models"), Path("metrics")
SHOWN = 4  # waves in the picture


def main() -> None:
    params = read_sequence_params(SineParams)
    data = params.data
    make_repeatable(params.train.threads, torch.device("cpu"), params.train.portable)
    model, _ = load_sequence_model(MODELS)
    splits = {name: load_sequences(SEQUENCES, name) for name in SPLIT_NAMES}
    test = splits["test"]
    phases = draw_phases(data.unseen_phases, [data.seed, SPLIT_NAMES.index("test")])
    truth = make_waves(phases, 2 * data.steps, data)[:, 1:]  # the value one step after each input, without noise
    horizon = truth[:, data.steps - 1 :]  # the free run begins with the forecast from the last input
    forecast = compute_outputs(model, test, choose_batch_size(params.train.batch_size, len(test))).numpy()
    run = free_run(model, torch.from_numpy(np.array(test.features)), data.steps).numpy()

    scores = {
        "one_step_rmse": compute_rmse(forecast, truth[:, : data.steps]),
        "free_run_rmse": float(np.mean([compute_rmse(*pair) for pair in zip(run, horizon, strict=True)])),
    }
    write_json(METRICS / "test.json", scores)
    figure = draw_forecast(truth[:SHOWN, :, 0], forecast[:SHOWN, :, 0], run[:SHOWN, :, 0], data.span / data.steps)
    save_figure(figure, METRICS / "plots" / "forecast.png")
    summary = f"free-running RMSE **{scores['free_run_rmse']:.4f}**, one step ahead {scores['one_step_rmse']:.4f}"
    log_scores(params, splits, summary, scores, {"forecast.png": figure})
    print(
        f"evaluate: RMSE {scores['one_step_rmse']:.4f} one step ahead, {scores['free_run_rmse']:.4f} over "
        f"{data.steps} free-running steps, mean of {len(test)} unseen phases"
    )


def compute_rmse(values: np.ndarray, truth: np.ndarray) -> float:
    """Return the root of the mean squared difference."""
    return float(np.sqrt(np.mean((values.astype(np.float64) - truth) ** 2)))


if __name__ == "__main__":
    run_stage(main)
