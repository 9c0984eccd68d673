"""data: parameters → data/sequences/: sine waves of random phases, and as targets the same one step later."""

from pathlib import Path

from unroll.base.process import run_stage
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import Sequences, save_sequences
from unroll.sequences.params import SineData, SineParams, read_sequence_params
from unroll.sequences.waves import draw_phases, make_waves, observe

SEQUENCES = Path("data/sequences")


def main() -> None:
    data = read_sequence_params(SineParams).data
    counts = {"train": data.series, "val": max(data.series // 5, 1), "test": data.unseen_phases}
    for name in SPLIT_NAMES:
        save_sequences(make_series(name, counts[name], data), SEQUENCES, name)
    print(f"generate: {', '.join(f'{name} {count}' for name, count in counts.items())} waves of {data.steps} steps")


def make_series(split: str, count: int, data: SineData) -> Sequences:
    """Return observed waves, `[count, steps, 1]`, and as targets their values one step later."""
    number = SPLIT_NAMES.index(split)
    waves = make_waves(draw_phases(count, [data.seed, number]), data.steps + 1, data)
    observed = observe(waves, data.noise, [data.seed, number, 1])
    return Sequences(observed[:, :-1], observed[:, 1:])


if __name__ == "__main__":
    run_stage(main)
