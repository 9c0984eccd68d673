"""Word vectors: what they learn, where they stand, and that they repeat."""

from pathlib import Path

import numpy as np
import pytest

from unroll.base.errors import InputError
from unroll.base.files import load_array, save_array
from unroll.params.texts import PretrainParams
from unroll.vectors.skipgram import count_epochs, learn_vectors

PARAMS = PretrainParams(method="skipgram", window=3, epochs=15, learning_rate=0.025, least_words=1000, seed=1)


def write_corpus(path: Path) -> Path:
    """Write texts over two topics: tokens 2 to 9 and tokens 10 to 17 never meet."""
    random = np.random.default_rng(0)
    topics = [np.arange(2, 10), np.arange(10, 18)]
    lines = [" ".join(map(str, random.choice(topics[number % 2], 6))) for number in range(400)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_tokens_that_meet_become_alike(tmp_path: Path) -> None:
    vectors = learn_vectors(write_corpus(tmp_path / "ids.txt"), 20, 8, 60, PARAMS)
    assert vectors.shape == (20, 8) and vectors.dtype == np.float32
    assert not vectors[[0, 1, 18, 19]].any()  # not in the text
    units = vectors[2:18] / np.linalg.norm(vectors[2:18], axis=1, keepdims=True)
    alike = units @ units.T
    assert alike[:8, :8].mean() > alike[:8, 8:].mean() + 0.3


def test_the_same_text_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "ids.txt")
    first, again = (learn_vectors(corpus, 20, 8, 2, PARAMS) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    other = learn_vectors(corpus, 20, 8, 2, PARAMS.model_copy(update={"seed": 2}))
    assert first.tobytes() != other.tobytes()


def test_a_short_text_is_read_more_often() -> None:
    assert count_epochs(1_000_000, PARAMS) == 15
    assert count_epochs(30, PARAMS) == 34


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    with pytest.raises(InputError, match=r"vectors\.npy is missing: `dvc repro` makes it"):
        load_array(path, "vectors")
    save_array(path, np.eye(3, dtype=np.float32))
    assert (load_array(path, "vectors") == np.eye(3)).all()
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"vectors\.npy is not an array of vectors"):
        load_array(path, "vectors")


def test_the_learning_rate_counts(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "ids.txt")
    slow, fast = (
        learn_vectors(corpus, 20, 8, 1, PARAMS.model_copy(update={"learning_rate": rate})) for rate in (1e-6, 0.05)
    )
    start = learn_vectors(corpus, 20, 8, 1, PARAMS.model_copy(update={"learning_rate": 1e-9}))
    assert np.abs(slow - start).max() < 1e-3 < np.abs(fast - start).max()
