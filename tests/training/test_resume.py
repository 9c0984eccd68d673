"""An interrupted training goes on as if nothing had happened, and only from its own checkpoint."""

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from builders import make_config
from unroll.models.classifier import TextClassifier, drop_words
from unroll.models.layers import limit_embedding
from unroll.params.texts import TextParams, read_text_params
from unroll.text.tokens import Tokens
from unroll.training.loop import Options, Task, train_model
from unroll.training.progress import Epoch, Training
from unroll.training.resume import KEPT, Checkpoints, identify_training

ROOT = Path(__file__).parents[2]
# Everything that has a state of its own: moving average, learning rate, frozen embedding, dropout, gradients.
RECIPES: list[dict[str, Any]] = [
    {"cell": "gru"},
    {"cell": "lstm", "weight_average": 0.9, "lr_patience": 1, "layers": 2, "dropout": 0.3},
    {"cell": "rnn", "frozen_epochs": 3, "embedding_rate": 0.3, "embedding_dropout": 0.5, "log_gradients": True},
]


class Interrupted(Exception):
    """What a test stops a training with."""


def make_tokens(rows: int, seed: int) -> Tokens:
    random = np.random.default_rng(seed)
    texts = [random.integers(2, 40, size=random.integers(3, 8)).tolist() for _ in range(rows)]
    return Tokens.from_lists(texts, random.integers(2, size=rows).tolist())


def read_params(**changes: object) -> TextParams:
    params = read_text_params(ROOT / "params.yaml")
    base = {"batch_size": 16, "learning_rate": 0.02, "weight_average": 0.0, "patience": 3, "epochs": 8}
    return params.model_copy(update={"train": params.train.model_copy(update=base | changes)})


def train(folder: Path, recipe: dict[str, Any], stop_at: int | None = None) -> tuple[Training, list[Epoch]]:
    """Train, with everything newly made as in another process; stop after so many steps."""
    names = ("cell", "layers", "dropout", "embedding_dropout")
    config = make_config(vocabulary_size=60, **{name: recipe[name] for name in names if name in recipe})
    params = read_params(
        **{name: value for name, value in recipe.items() if name in type(read_params().train).model_fields}
    )
    torch.manual_seed(params.train.seed)
    model = TextClassifier(config)
    steps, seen = iter(range(10**6)), []

    def augment(ids: Tensor) -> Tensor:
        if next(steps) == stop_at:
            raise Interrupted
        return drop_words(ids, 0.1)

    examples, val = make_tokens(100, 1), make_tokens(50, 2)
    model.embedding = limit_embedding(model.embedding, examples.ids)
    options = Options(augment, params.train.embedding_rate, recipe.get("frozen_epochs", 0))
    checkpoints = Checkpoints(folder, identify_training(params, model, examples, val))
    training = train_model(
        model, Task(examples, val, params.train, options=options), on_epoch=seen.append, checkpoints=checkpoints
    )
    return training, seen


def forget_speed(history: list[Epoch]) -> list[dict[str, Any]]:
    return [epoch.as_row() | {"gradients": epoch.gradients} for epoch in history]


def check_same(first: Training, second: Training) -> None:
    assert forget_speed(first.history) == forget_speed(second.history)
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(weight, second.weights[name]) for name, weight in first.weights.items())
    assert torch.equal(first.best_outputs, second.best_outputs)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe["cell"])
def test_an_interrupted_training_ends_with_the_same_bits(recipe: dict[str, Any], tmp_path: Path) -> None:
    undisturbed, _ = train(tmp_path / "undisturbed", recipe)
    steps = 8  # at least: 100 examples in batches of 16
    for number, stop_at in enumerate([3, steps + 1, 2 * steps + 5]):  # in the first, a second and a third try
        with pytest.raises(Interrupted):
            train(tmp_path / "disturbed", recipe, stop_at)
        assert len(list((tmp_path / "disturbed").glob("*"))) == min(number, 1)
    resumed, seen = train(tmp_path / "disturbed", recipe)
    check_same(resumed, undisturbed)
    assert seen == resumed.history  # all of it is logged again, to a new run


def test_it_is_gone_on_with_and_not_begun_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Interrupted):
        train(tmp_path, RECIPES[0], stop_at=20)
    assert "goes on" not in capsys.readouterr().out
    train(tmp_path, RECIPES[0])
    assert capsys.readouterr().out == "train: goes on after epoch 2, where it was interrupted\n"
    again, _ = train(tmp_path, RECIPES[0], stop_at=0)  # all epochs are done: not one step is taken
    assert f"goes on after epoch {len(again.history)}," in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_dropped_with_a_warning(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed, _ = train(tmp_path / "undisturbed", RECIPES[0])
    with pytest.raises(Interrupted):
        train(tmp_path, RECIPES[0], stop_at=20)
    (path,) = tmp_path.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flipped": content, "cut": content[:-100], "empty": b""}[damage])
    resumed, _ = train(tmp_path, RECIPES[0])
    captured = capsys.readouterr()
    assert f"warning: {path} is damaged: removed, the training starts anew" in captured.err
    assert "goes on" not in captured.out
    check_same(resumed, undisturbed)


def test_an_earlier_file_serves_where_the_latest_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {}
    for stop_at in (10, 20):
        with pytest.raises(Interrupted):
            train(tmp_path, RECIPES[0], stop_at)
        kept |= {path: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    first, second = kept
    first.write_bytes(kept[first])
    second.write_bytes(b"half")
    train(tmp_path, RECIPES[0])
    assert "goes on after epoch 1," in capsys.readouterr().out


def test_of_several_files_the_latest_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An interruption between writing one and removing the one before leaves both."""
    kept = {}
    for stop_at in (10, 20):
        with pytest.raises(Interrupted):
            train(tmp_path, RECIPES[0], stop_at)
        kept |= {path: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    for time, (path, content) in enumerate(kept.items()):
        path.write_bytes(content)
        os.utime(path, (time, time))
    train(tmp_path, RECIPES[0])
    assert "goes on after epoch 3," in capsys.readouterr().out


def identify(params: TextParams, rows: int = 30, label: int = 0, seed: int = 1) -> str:
    torch.manual_seed(seed)
    model = TextClassifier(make_config())
    examples = make_tokens(rows, 1)
    examples.labels[0] = label
    return identify_training(params, model, examples, make_tokens(10, 2))


def test_every_parameter_of_model_and_training_makes_another_key() -> None:
    params = read_params()
    keys = {identify(params)}
    assert identify(params) in keys
    changed = 0
    for section in ("model", "train"):
        values = getattr(params, section)
        for name, value in values:
            other = (
                (not value) if isinstance(value, bool) else f"{value}x" if isinstance(value, str | None) else value + 1
            )
            update = {section: values.model_copy(update={name: other})}
            keys.add(identify(params.model_copy(update=update)))
            changed += 1
    assert len(keys) == 1 + changed


def test_other_examples_weights_and_code_make_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = read_params()
    keys = {identify(params), identify(params, rows=31), identify(params, label=1), identify(params, seed=2)}
    (tmp_path / "training.py").write_text("changed")
    monkeypatch.setattr("unroll.training.loop.__file__", str(tmp_path / "training.py"))
    assert len(keys | {identify(params)}) == 5


def test_a_stage_is_code_too_though_it_runs_under_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m unroll.stages.train` calls that module `__main__`."""
    stage = ModuleType("__main__")
    stage.__spec__ = ModuleSpec("unroll.stages.train", None)
    stage.__file__ = str(tmp_path / "train.py")
    (tmp_path / "train.py").write_text("as it was")
    monkeypatch.setitem(sys.modules, "__main__", stage)
    before = identify(read_params())
    assert identify(read_params()) == before
    (tmp_path / "train.py").write_text("changed")
    assert identify(read_params()) != before


@pytest.mark.parametrize(
    "name",
    [
        "torch.__version__",
        "numpy.__version__",
        "sys.version",
        "torch.backends.cpu.get_cpu_capability",
        "platform.processor",
    ],
)
def test_other_versions_and_another_processor_make_another_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    params = read_params()
    key = identify(params)
    monkeypatch.setattr(name, "another" if "version" in name else lambda: "another")
    assert identify(params) != key


def test_what_nobody_goes_on_with_is_removed(tmp_path: Path) -> None:
    for seed in range(KEPT + 3):
        with pytest.raises(Interrupted):
            train(tmp_path, RECIPES[0] | {"seed": seed}, stop_at=10)
    assert len(list(tmp_path.iterdir())) == KEPT
    # The latest are those that are kept.
    with pytest.raises(Interrupted):
        train(tmp_path, RECIPES[0] | {"seed": KEPT + 2}, stop_at=0)


def test_a_training_that_cannot_be_kept_goes_on_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    training, _ = train(tmp_path / "file" / "trainings", RECIPES[0])
    assert len(training.history) > 1
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.endswith("cannot be written: Not a directory; if this training is interrupted, it begins anew")
