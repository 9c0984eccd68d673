"""data: parameters → data/sequences/: a sine, window after window, and as targets the cosine at the same times."""

from pathlib import Path

import numpy as np

from unroll.base.process import run_stage
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import Sequences, save_sequences
from unroll.sequences.params import Sin2CosData, Sin2CosParams, read_sequence_params

SEQUENCES = Path("data/sequences")


def main() -> None:
    data = read_sequence_params(Sin2CosParams).data
    counts = [data.train_windows, data.val_windows, data.test_windows]
    windows = make_windows(sum(counts), data)
    ends = np.cumsum(counts)
    for name, start, end in zip(SPLIT_NAMES, ends - counts, ends, strict=True):
        save_sequences(Sequences(windows.features[start:end], windows.targets[start:end]), SEQUENCES, name)
    print(f"generate: {sum(counts)} windows of {data.steps} steps, each half a period")


def make_windows(count: int, data: Sin2CosData) -> Sequences:
    """Return sine and cosine of consecutive half periods, `[count, steps, 1]` each."""
    times = np.pi * np.arange(count * data.steps) / data.steps
    sine, cosine = (function(times).reshape(count, data.steps, 1).astype(np.float32) for function in (np.sin, np.cos))
    return Sequences(sine, cosine)


if __name__ == "__main__":
    run_stage(main)
