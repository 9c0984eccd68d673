"""data/raw/ → data/sequences/ and models/labels.json: pictures read row by row, in training, validation and test."""

from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from unroll.base.errors import InputError
from unroll.base.files import write_json
from unroll.base.process import run_stage
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import Sequences, save_sequences
from unroll.sequences.mnist import LEVELS, read_idx
from unroll.sequences.params import PictureData, PictureParams, read_sequence_params

RAW, SEQUENCES, MODELS = Path("data/raw"), Path("data/sequences"), Path("models")


def main() -> None:
    data = read_sequence_params(PictureParams).data
    if data.dataset == "mnist":
        rest, test = (read_part(part, ".gz") for part in ("train", "t10k"))
    else:
        rest, test = divide(read_part("all", ""), data.test, data.seed)
    train, val = divide(rest, data.val, data.seed)
    for name, (pictures, labels) in zip(SPLIT_NAMES, (train, val, test), strict=True):
        save_sequences(Sequences(scale(pictures, data), labels.astype(np.int64)), SEQUENCES, name)
    write_json(MODELS / "labels.json", [str(digit) for digit in range(10)])
    print(f"split: train {len(train[1]):,}, val {len(val[1]):,}, test {len(test[1]):,}")


def read_part(part: str, suffix: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures, `[rows, height, width]` uint8, and labels, [rows] uint8.

    Raises:
        InputError: the files do not belong together.
    """
    paths = [RAW / f"{part}-{kind}-ubyte{suffix}" for kind in ("images-idx3", "labels-idx1")]
    pictures, labels = map(read_idx, paths)
    if pictures.ndim != 3 or labels.ndim != 1 or len(pictures) != len(labels):
        raise InputError(
            f"{paths[0]} and {paths[1]} have the shapes {pictures.shape} and {labels.shape}: expected pictures and as "
            "many labels"
        )
    if labels.max() > 9:
        row = int((labels > 9).argmax())
        raise InputError(f"{paths[1]}, label {row + 1}: found {labels[row]}, expected a digit")
    return pictures, labels


def divide(
    examples: tuple[np.ndarray, np.ndarray], share: float, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Set a share of the examples aside, the same for each class; return the others and those.

    Raises:
        InputError: there are too few examples, or too few of a class.
    """
    pictures, labels = examples
    try:
        kept, aside = train_test_split(np.arange(len(labels)), test_size=share, random_state=seed, stratify=labels)
    except ValueError:
        raise InputError(f"{RAW}: {len(labels):,} pictures are too few to divide, or those of one digit are") from None
    rest, put_aside = ((pictures[np.sort(rows)], labels[np.sort(rows)]) for rows in (kept, aside))
    return rest, put_aside


def scale(pictures: np.ndarray, data: PictureData) -> np.ndarray:
    """Return the pictures as sequences of rows, `[pictures, rows, columns]` float32, 0 for white and 1 for black."""
    return (pictures / np.float32(LEVELS[data.dataset])).astype(np.float32)


if __name__ == "__main__":
    run_stage(main)
