"""Sequences as files, and how those of each pipeline are made."""

from pathlib import Path

import numpy as np
import pytest

from unroll.base.errors import InputError
from unroll.sequences.arrays import Sequences, load_sequences, save_sequences
from unroll.sequences.mnist import write_idx
from unroll.sequences.params import (
    PictureData,
    PictureParams,
    SequenceParams,
    Sin2CosData,
    SineData,
    read_sequence_params,
)
from unroll.sequences.waves import draw_phases, make_waves
from unroll.stages.hello.generate import spell
from unroll.stages.mnist import split
from unroll.stages.mnist.evaluate import find_most_confused
from unroll.stages.sin2cos.generate import make_windows
from unroll.stages.sine.generate import make_series

PIPELINES = Path(__file__).parents[2] / "pipelines"
SINE = {"dataset": "sine", "series": 30, "steps": 49, "span": 10.0, "frequency": 1.0, "noise": 0.0}
DIGITS = PictureData(dataset="digits", url=None, val=0.25, test=0.2, seed=1)


def make_data(**changes: object) -> SineData:
    return SineData(**(SINE | {"unseen_phases": 5, "seed": 1} | changes))


def make_sequences() -> Sequences:
    random = np.random.default_rng(0)
    return Sequences(random.random((5, 4, 2), dtype=np.float32), random.integers(0, 3, size=5))


def test_saved_and_loaded(tmp_path: Path) -> None:
    sequences = make_sequences()
    save_sequences(sequences, tmp_path, "val")
    loaded = load_sequences(tmp_path, "val")
    assert isinstance(loaded.features, np.memmap)
    assert loaded.digest() == sequences.digest()
    assert loaded.lengths.tolist() == [4] * 5
    np.testing.assert_array_equal(loaded.gather(np.array([3, 0])), sequences.features[[3, 0]])


def test_another_target_is_another_digest() -> None:
    sequences = make_sequences()
    assert Sequences(sequences.features, sequences.targets[::-1].copy()).digest() != sequences.digest()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.features.npy", None, "is missing: `dvc repro` makes it"),
        ("train.targets.npy", b"no array", "is not an array of sequences"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    save_sequences(make_sequences(), tmp_path, "train")
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_sequences(tmp_path, "train")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    sequences = make_sequences()
    save_sequences(Sequences(sequences.features, sequences.targets[:3]), tmp_path, "train")
    with pytest.raises(InputError, match=r"have the shapes \(5, 4, 2\) and \(3,\)"):
        load_sequences(tmp_path, "train")


def test_waves_are_sines_of_their_phase_and_frequency() -> None:
    data = make_data(frequency=2.0)
    phases = draw_phases(3, [1, 2])
    waves = make_waves(phases, 60, data)
    assert waves.shape == (3, 60, 1)
    assert waves[1, 7, 0] == pytest.approx(np.sin(phases[1] + 2.0 * 7 * 10 / 49), abs=1e-6)


def test_targets_are_one_step_later_and_splits_have_phases_of_their_own() -> None:
    series = {name: make_series(name, 5, make_data()) for name in ("train", "val", "test")}
    train = series["train"]
    np.testing.assert_array_equal(train.features[:, 1:], train.targets[:, :-1])
    starts = np.concatenate([found.features[:, 0, 0] for found in series.values()])
    assert len(np.unique(starts)) == 15


def test_noise_is_of_the_observations() -> None:
    clean, noisy = (make_series("train", 200, make_data(noise=noise)) for noise in (0.0, 0.3))
    assert (noisy.features - clean.features).std() == pytest.approx(0.3, rel=0.05)
    np.testing.assert_array_equal(noisy.features[:, 1:], noisy.targets[:, :-1])


def test_windows_are_one_stretch_of_time() -> None:
    data = Sin2CosData(dataset="sin2cos", steps=10, train_windows=1, val_windows=1, test_windows=1)
    windows = make_windows(4, data)
    times = np.pi * np.arange(40) / 10
    np.testing.assert_allclose(windows.features.ravel(), np.sin(times), atol=1e-5)
    np.testing.assert_allclose(windows.targets.ravel(), np.cos(times), atol=1e-5)


def test_words_are_one_hot_letters() -> None:
    words = spell("abba", "baba", ["a", "b"])
    assert words.features.argmax(axis=2).tolist() == [[0, 1, 1, 0]]
    assert words.features.sum(axis=2).tolist() == [[1, 1, 1, 1]]
    assert words.targets.tolist() == [[1, 0, 1, 0]]


def test_pictures_are_divided_by_class_and_none_is_in_two_parts() -> None:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 20)
    pictures = np.arange(200, dtype=np.uint8).reshape(200, 1, 1)
    (kept, kept_labels), (aside, aside_labels) = split.divide((pictures, labels), 0.25, seed=1)
    assert np.bincount(aside_labels).tolist() == [5] * 10
    assert sorted([*kept.ravel(), *aside.ravel()]) == list(range(200))
    np.testing.assert_array_equal(kept.ravel() // 20, kept_labels)
    assert split.scale(np.array([[[0, 8, 16]]], dtype=np.uint8), DIGITS).tolist() == [[[0, 0.5, 1]]]


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [(3, [1, 2], "as many labels"), (2, [1, 12], "label 2: found 12, expected a digit")],
)
def test_pictures_and_labels_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: int, labels: list[int], message: str
) -> None:
    monkeypatch.setattr(split, "RAW", tmp_path)
    write_idx(tmp_path / "all-images-idx3-ubyte", np.zeros((pictures, 2, 2), dtype=np.uint8))
    write_idx(tmp_path / "all-labels-idx1-ubyte", np.array(labels, dtype=np.uint8))
    with pytest.raises(InputError, match=message):
        split.read_part("all", "")


def test_the_most_confident_mistakes_come_first() -> None:
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    assert find_most_confused(np.array([1, 1, 1, 0]), probabilities).tolist() == [1, 3, 0]


@pytest.mark.parametrize("name", ["mnist", "sine", "sin2cos", "hello"])
def test_the_parameters_of_each_pipeline_are_valid(name: str) -> None:
    params = read_sequence_params(SequenceParams, PIPELINES / name / "params.yaml")
    assert params.tracking.experiment == name
    assert params.main_metrics[0].startswith("test/")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("data: {dataset: cosine}", "data.dataset = 'cosine': expected one of digits, mnist, sine, sin2cos, hello"),
        ("data: [1]", "data.dataset = None: expected one of"),
        ("data: {dataset: [sine]}", r"data.dataset = \['sine'\]: expected one of"),
        ("just text", "data.dataset = None: expected one of"),
    ],
)
def test_parameters_of_no_pipeline(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_sequence_params(SequenceParams, path)


def test_parameters_of_another_pipeline() -> None:
    with pytest.raises(InputError, match=r"data.dataset = 'sine': expected one of digits, mnist$"):
        read_sequence_params(PictureParams, PIPELINES / "sine" / "params.yaml")
