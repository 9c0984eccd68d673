"""Pretrained vectors as a file: a row for each token id."""

from pathlib import Path

import numpy as np

from unroll.base.errors import InputError
from unroll.base.files import replace_when_done

STANDARD_DEVIATION = 0.3  # of vectors learned from the text, as an embedding starts best from them


def scale_vectors(vectors: np.ndarray, std: float = STANDARD_DEVIATION) -> np.ndarray:
    """Return the vectors multiplied, so that the numbers of those that are not zero have this standard deviation."""
    known = vectors.any(axis=1)
    return vectors * np.float32(std / vectors[known].std()) if known.any() else vectors


def save_vectors(vectors: np.ndarray, path: Path) -> None:
    """Write vectors, `[vocabulary, size]` float32."""
    with replace_when_done(path) as temporary:
        np.save(temporary, vectors, allow_pickle=False)


def load_vectors(path: Path) -> np.ndarray:
    """Read vectors, `[vocabulary, size]` float32; `[0, size]` where nothing was pretrained."""
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: `dvc repro` makes it, `dvc pull` fetches it") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path} is not an array of vectors: {error}") from None
