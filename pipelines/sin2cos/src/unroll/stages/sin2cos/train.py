"""data/sequences/ → models/, metrics/train.json, and the fit to the validation windows after each epoch."""

from pathlib import Path

import pandas as pd

from unroll.base.files import write_table
from unroll.base.process import run_stage
from unroll.sequences.params import Sin2CosParams, read_sequence_params
from unroll.stages.train_sequences import train_sequences

FITS = Path("metrics/plots/fits.csv")


def main() -> None:
    training = train_sequences(read_sequence_params(Sin2CosParams), keep_outputs=True)
    fits = {f"epoch {epoch}": outputs.flatten().tolist() for epoch, outputs in sorted(training.val_outputs.items())}
    write_table(FITS, pd.DataFrame(fits), "%.6g")


if __name__ == "__main__":
    run_stage(main)
