"""The optimizer: PyTorch's Adam, and what importing it does without."""

import subprocess
import sys

import torch
from torch import Tensor, nn

from unroll.training.optimizer import make_optimizer


def take_steps(optimizer: torch.optim.Optimizer, model: nn.Module, inputs: Tensor) -> None:
    for _ in range(3):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()


def test_it_takes_the_steps_of_pytorchs_adam() -> None:
    models = [nn.Linear(5, 3) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    ours, theirs = make_optimizer(models[0], 0.01, 1.0, 0.0), torch.optim.Adam(models[1].parameters(), 0.01, fused=True)
    inputs = torch.randn(20, 5)
    for optimizer, model in zip((ours, theirs), models, strict=True):
        take_steps(optimizer, model, inputs)
    again = make_optimizer(models[0], 0.5, 1.0, 0.0)
    again.load_state_dict(ours.state_dict())
    for optimizer, model in zip((again, theirs), models, strict=True):
        take_steps(optimizer, model, inputs)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)


TRAINING = """
import sys, torch
from unroll.training.optimizer import make_optimizer

model = torch.nn.Linear(5, 3)
optimizer = make_optimizer(model, 0.01, 1.0, 0.0)
model(torch.ones(2, 5)).sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
optimizer.zero_grad()
print("torch._dynamo" in sys.modules)
"""


def test_pytorchs_compiler_is_not_imported() -> None:
    """It would take longer than the training of a small model."""
    output = subprocess.run([sys.executable, "-c", TRAINING], check=True, capture_output=True, text=True).stdout
    assert output == "False\n"
