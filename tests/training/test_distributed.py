"""Several processes that divide each batch come to the losses and weights of one. All of them are real, over gloo."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from builders import make_config, make_params, make_tokens
from unroll.models.classifier import TextClassifier, drop_words
from unroll.models.layers import limit_embedding
from unroll.sequences.arrays import Sequences
from unroll.sequences.model import SequenceConfig, SequenceModel
from unroll.training.loop import Options, Task, train_model
from unroll.training.objectives import Classification, Regression, weigh_classes
from workspaces import find_free_port

# Every kind of random numbers, padding, weights and gradients. The last batches have fewer texts than processes.
CASES: dict[str, dict[str, Any]] = {
    "gru": {"model": {"cell": "gru", "ngrams": 6_000}, "weights": True},
    "lstm": {"model": {"cell": "lstm", "layers": 2, "pooling": "attention"}, "params": {"weight_average": 0.9}},
    "rnn": {"model": {"cell": "rnn", "pooling": "mean", "bidirectional": False}, "params": {"log_gradients": True}},
    "values": {},
}
DROPOUT = {"dropout": 0.3, "embedding_dropout": 0.5}


def make_waves(rows: int) -> Sequences:
    waves = np.sin(np.random.default_rng(rows).uniform(0, 6, size=(rows, 1)) + np.arange(9) / 2).astype(np.float32)
    return Sequences(waves[:, :-1, None], waves[:, 1:, None])


def make_task(name: str, processes: int) -> tuple[torch.nn.Module, Task]:
    """Return an untrained model and what it is trained on, the same whenever this is called."""
    case = CASES[name]
    params = make_params(epochs=3, processes=processes, batch_size=5, **case.get("params", {}))
    torch.manual_seed(0)
    if name == "values":
        sizes = {"cell": "gru", "hidden_size": 12, "layers": 1, "bidirectional": False, "unrolled": False}
        config = SequenceConfig(**sizes, dropout=0.3, pooling="none", input_size=1, outputs=1)
        return SequenceModel(config), Task(make_waves(41), make_waves(11), params, Regression())
    layers = case["model"].get("layers", 1)  # between layers there is no dropout, as params.yaml demands
    config = make_config(**(DROPOUT | ({"dropout": 0.0} if layers > 1 else {}) | case["model"]))
    train, val = make_tokens(101, 1), make_tokens(30, 2)
    model = TextClassifier(config)
    model.set_submodule("embedding", limit_embedding(model.embedding, train.ids))
    weights = weigh_classes(train.labels, 2) * torch.tensor([1.0, 3.0]) if case.get("weights") else None
    options = Options(augment=lambda ids: drop_words(ids, 0.2), ngram_rate=0.01)
    return model, Task(train, val, params, Classification(weights), options)


def train_as_one_of_them(folder: Path) -> None:
    """What this file does as a program: train in the process that the environment says, and keep what came of it."""
    from unroll.training.processes import find_rank, join

    torch.set_num_threads(1)
    processes = int(os.environ["WORLD_SIZE"])
    with join(processes, torch.device("cpu"), key=os.environ.get("KEY", "the same")) as team:
        for name in CASES:
            model, task = make_task(name, processes)
            training = train_model(model, replace(task, team=team))
            history = [
                epoch.as_row() | {"gradients": epoch.gradients and asdict(epoch.gradients)}
                for epoch in training.history
            ]
            (folder / f"{name}-{find_rank()}.json").write_text(json.dumps(history))
            torch.save(training.weights, folder / f"{name}-{find_rank()}.pt")


def start(processes: int, folder: Path, *environments: dict[str, str]) -> list[str]:
    """Train on so many processes, as torchrun starts them; return what each has printed."""
    together = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_port())}
    together["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    started = [
        subprocess.Popen(
            [sys.executable, __file__, folder],
            env=os.environ | together | {"RANK": str(rank)} | dict(*environments[rank : rank + 1]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(processes)
    ]
    return [process.communicate()[0] for process in started]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_the_mathematics_is_that_of_one_process(processes: int, tmp_path: Path) -> None:
    assert start(processes, tmp_path) == [""] * processes
    for name in CASES:
        model, task = make_task(name, 1)
        alone = train_model(model, task)
        histories = [json.loads((tmp_path / f"{name}-{rank}.json").read_text()) for rank in range(processes)]
        weights = [torch.load(tmp_path / f"{name}-{rank}.pt") for rank in range(processes)]
        for epoch, expected in zip(histories[0], alone.history, strict=True):
            measured = epoch.pop("gradients")
            assert epoch == pytest.approx(expected.as_row(), abs=1e-5), name
            assert bool(measured) is (name == "rnn")
            if measured:
                assert measured["layers"] == pytest.approx(expected.gradients.layers, abs=1e-4)
        assert all(torch.allclose(weights[0][part], weight, atol=1e-4) for part, weight in alone.weights.items()), name
        for other in weights[1:]:  # all have the same, bit for bit
            assert all(torch.equal(weight, weights[0][part]) for part, weight in other.items()), name


@pytest.mark.slow
def test_processes_that_train_something_else_are_refused(tmp_path: Path) -> None:
    first, second = start(2, tmp_path, {"KEY": "one"}, {"KEY": "another"})
    assert "InputError: this process has other data, parameters, code" in second
    assert "InputError: the connection to another process of this training was lost" in first


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 4.0])])
def test_losses_of_parts_make_up_the_loss_of_the_whole(weights: Tensor | None) -> None:
    objective, outputs = Classification(weights), torch.randn(7, 2)
    targets = torch.tensor([0, 1, 0, 0, 1, 0, 0])
    parts = [slice(rank, None, 3) for rank in range(3)]
    losses = [objective.compute_loss(outputs[part], targets[part]) * objective.weigh(targets[part]) for part in parts]
    assert (sum(losses) / objective.weigh(targets)).item() == pytest.approx(
        objective.compute_loss(outputs, targets).item()
    )


def test_one_process_imports_nothing_of_this() -> None:
    code = (
        "import sys, unroll.stages.train; print([name for name in sys.modules if name.startswith('unroll.training')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "unroll.training.loop" in found
    assert "distributed" not in found and "processes" not in found


if __name__ == "__main__":
    train_as_one_of_them(Path(sys.argv[1]))
