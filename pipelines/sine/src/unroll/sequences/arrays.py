"""Real-valued sequences of one length with their targets, as .npy files that can be mapped into memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unroll.base.errors import InputError
from unroll.base.files import load_array, save_array


@dataclass(frozen=True)
class Sequences:
    """The sequences of one split.

    features: [rows, time, features] float32; targets: class numbers, int64, or values, float32: [rows] or [rows,
    values] for the whole sequence, [rows, time] or [rows, time, values] for each step.
    """

    features: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    @property
    def lengths(self) -> np.ndarray:
        """Number of steps of each sequence, [rows] int64."""
        return np.full(len(self), self.features.shape[1], dtype=np.int64)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Return the sequences `rows` ([batch] int64), `[batch, time, features]` float32."""
        return self.features[rows]

    def gather_extras(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return nothing: the models read features alone."""
        return ()

    def digest(self) -> str:
        """Return a checksum of features and targets; equal digests are equal rows in equal order."""
        digest = hashlib.md5(usedforsecurity=False)
        for array in (self.features, self.targets):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def describe(self, split: str) -> dict[str, Any]:
        """Return what MLflow shows about the data."""
        columns = [
            {"name": name, "type": "string" if array.dtype.kind == "U" else str(array.dtype), "required": True}
            for name, array in (("features", self.features), ("targets", self.targets))
        ]
        profile = {"num_rows": len(self), "num_steps": int(self.features.shape[1])}
        return {"source": f"data/sequences/{split}.features.npy", "schema": columns, "profile": profile}


def save_sequences(sequences: Sequences, folder: Path, split: str) -> None:
    """Write `SPLIT.features.npy` and `SPLIT.targets.npy`."""
    for name, array in (("features", sequences.features), ("targets", sequences.targets)):
        save_array(folder / f"{split}.{name}.npy", array)


def load_sequences(folder: Path, split: str) -> Sequences:
    """Map a split into memory.

    Raises:
        InputError: a file is missing or is not what `save_sequences` writes.
    """
    features, targets = (
        load_array(folder / f"{split}.{name}.npy", "sequences", mapped=True) for name in ("features", "targets")
    )
    if features.ndim != 3 or not len(features) or len(features) != len(targets):
        raise InputError(
            f"{folder / split}.*.npy have the shapes {features.shape} and {targets.shape}: expected "
            "[rows, time, features] and as many targets"
        )
    return Sequences(features, targets)
