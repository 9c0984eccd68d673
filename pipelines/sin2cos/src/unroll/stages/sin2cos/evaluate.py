"""models/ and data/sequences/ → metrics/test.json, and pictures of the fit and of its progress in training."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unroll.base.devices import make_repeatable
from unroll.base.files import write_json
from unroll.base.process import run_stage
from unroll.models.batches import choose_batch_size
from unroll.models.predict import compute_outputs, resume_outputs
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import Sequences, load_sequences
from unroll.sequences.model import load_sequence_model
from unroll.sequences.params import Sin2CosParams, read_sequence_params
from unroll.sequences.plots import draw_fits, save_figure
from unroll.tracking.evaluation import log_scores

SEQUENCES, MODELS, METRICS = Path("data/sequences"), Path("models"), Path("metrics")


def main() -> None:
    params = read_sequence_params(Sin2CosParams)
    make_repeatable(params.train.threads, torch.device("cpu"), params.train.portable)
    model, _ = load_sequence_model(MODELS)
    splits = {name: load_sequences(SEQUENCES, name) for name in SPLIT_NAMES}
    test = splits["test"]
    if params.carry_state:  # read from the start, so that the first test window has a state to continue
        whole = Sequences(
            *(np.concatenate([getattr(s, name) for s in splits.values()]) for name in ("features", "targets"))
        )
        outputs = resume_outputs(model, whole, None)[-len(test) :]
    else:
        outputs = compute_outputs(model, test, choose_batch_size(params.train.batch_size, len(test)))

    mse = float(np.mean((outputs.numpy().astype(np.float64) - test.targets) ** 2))
    scores = {"mse": mse, "rmse": mse**0.5}
    write_json(METRICS / "test.json", scores)
    fits = pd.read_csv(METRICS / "plots" / "fits.csv")
    figure = draw_fits(fits, np.array(splits["val"].targets).ravel())
    save_figure(figure, METRICS / "plots" / "fits.png")
    summary = f"mean squared error **{mse:.5f}** over the last {len(test)} windows"
    log_scores(params, splits, summary, scores, {"fits.png": figure})
    print(f"evaluate: mean squared error {mse:.5f} over the last {len(test)} windows")


if __name__ == "__main__":
    run_stage(main)
