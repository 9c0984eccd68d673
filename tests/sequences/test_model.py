"""models/ of real-valued sequences, put together, and refused when its parts are damaged or of different trainings."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from unroll.base.errors import InputError
from unroll.base.files import write_json
from unroll.models.files import SEQUENCE_PARTS, write_checksums
from unroll.sequences.model import SequenceConfig, SequenceModel, load_sequence_model

SMALL = {"cell": "gru", "hidden_size": 5, "layers": 2, "bidirectional": False, "dropout": 0.0, "unrolled": False}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models/ folder of an untrained model."""
    torch.manual_seed(0)
    config = SequenceConfig(**SMALL, pooling="last", input_size=3, outputs=2)
    save_file(SequenceModel(config).state_dict(), tmp_path / "model.safetensors")
    write_json(tmp_path / "config.json", config.model_dump())
    write_checksums(tmp_path, SEQUENCE_PARTS)
    return tmp_path


def test_what_was_written_is_read(models: Path) -> None:
    model, config = load_sequence_model(models)
    torch.manual_seed(0)
    expected = SequenceModel(config).eval()
    features = torch.ones(1, 4, 3)
    np.testing.assert_array_equal(model(features).detach(), expected(features).detach())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 10_000}, "model.safetensors does not fit config.json beside it"),
        ({"input_size": 10_000}, "model.safetensors does not fit config.json beside it"),
        ({"outputs": 10_000}, "model.safetensors does not fit config.json beside it"),
        ({"layers": 16}, "model.safetensors does not fit config.json beside it"),
        ({"cell": "lstm"}, "model.safetensors does not fit config.json beside it"),
        ({"cell": "transformer"}, "config.json: cell = 'transformer': expected 'rnn', 'gru' or 'lstm'"),
        ({"dropout": 0.5}, "config.json is not the one that "),  # of another run with the same sizes
    ],
)
def test_files_of_different_trainings(models: Path, changes: dict[str, object], message: str) -> None:
    write_json(models / "config.json", json.loads((models / "config.json").read_text()) | changes)
    with pytest.raises(InputError) as caught:
        load_sequence_model(models)
    assert str(caught.value).startswith(f"{models}/{message}")
    assert str(caught.value).isprintable()


def test_a_flipped_bit_is_refused(models: Path) -> None:
    path = models / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors is not the one that checksums\.json lists"):
        load_sequence_model(models)


@pytest.mark.parametrize("name", [*SEQUENCE_PARTS, "checksums.json"])
def test_a_missing_file_is_named(models: Path, name: str) -> None:
    (models / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing: `dvc repro` makes it, `dvc pull` fetches it"):
        load_sequence_model(models)
