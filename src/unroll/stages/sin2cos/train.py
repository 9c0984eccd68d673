"""data/sequences/ → models/, metrics/train.json, and the fit to the validation windows as training went on."""

from pathlib import Path

import pandas as pd
from torch import Tensor

from unroll.files import replace_when_done
from unroll.processes import run_stage
from unroll.progress import Epoch
from unroll.sequence_params import read_sequence_params
from unroll.stages.train_sequences import train_sequences

FITS = Path("metrics/plots/fits.csv")


def main() -> None:
    fits: dict[str, list[float]] = {}

    def note(epoch: Epoch, outputs: Tensor) -> None:
        fits[f"epoch {epoch.epoch}"] = outputs.flatten().tolist()

    train_sequences(read_sequence_params(), note)
    with replace_when_done(FITS) as temporary:
        pd.DataFrame(fits).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    run_stage(main)
