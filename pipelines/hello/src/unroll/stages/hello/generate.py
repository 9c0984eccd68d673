"""data.input and data.target → data/sequences/ and models/labels.json: two words as one-hot letters and as numbers."""

from pathlib import Path

import numpy as np

from unroll.base.files import write_json
from unroll.base.process import run_stage
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import Sequences, save_sequences
from unroll.sequences.params import HelloParams, read_sequence_params

SEQUENCES, MODELS = Path("data/sequences"), Path("models")


def main() -> None:
    data = read_sequence_params(HelloParams).data
    letters = sorted(set(data.input + data.target))
    for name in SPLIT_NAMES:  # the same in all: there is one pair of words, to be learned by heart
        save_sequences(spell(data.input, data.target, letters), SEQUENCES, name)
    write_json(MODELS / "labels.json", letters)
    print(f"generate: {data.input} → {data.target}, {len(letters)} letters")


def spell(word: str, target: str, letters: list[str]) -> Sequences:
    """Return a word as one-hot letters, `[1, time, letters]`, with the target's letters as numbers, `[1, time]`."""
    ids, targets = (np.array([[letters.index(letter) for letter in text]]) for text in (word, target))
    return Sequences(np.eye(len(letters), dtype=np.float32)[ids], targets)


if __name__ == "__main__":
    run_stage(main)
