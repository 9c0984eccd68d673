"""A model over all examples of a split, without training it."""

import numpy as np
import torch
from torch import Tensor, nn

from unroll.models.batches import Examples, iterate_batches
from unroll.models.cells import State


def compute_outputs(model: nn.Module, examples: Examples, batch_size: int) -> Tensor:
    """Return the model's output for each example, in order: `[rows, …]` float32 on the CPU."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows, outputs = [], []
    with torch.inference_mode():
        for batch in iterate_batches(examples, batch_size, device):
            rows.append(torch.from_numpy(batch.rows))
            outputs.append(model(batch.inputs, batch.lengths, *batch.extras).cpu())
    model.train(was_training)
    in_batch_order = torch.cat(outputs)
    result = torch.empty_like(in_batch_order)
    result[torch.cat(rows)] = in_batch_order
    return result.clone()  # an ordinary tensor, not an inference-mode one


def resume_outputs(model: nn.Module, examples: Examples, state: State | None) -> Tensor:
    """Do the same for examples that follow each other in time, each starting from the last one's state.

    state: the one that the first example starts from, if any.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    outputs = []
    with torch.no_grad():
        for batch in iterate_batches(examples, 1, device):
            output, state = model.resume(batch.inputs, state)  # type: ignore[operator]  # a SequenceModel has it
            outputs.append(output.cpu())
    model.train(was_training)
    return torch.cat(outputs)


def compute_probabilities(model: nn.Module, examples: Examples, batch_size: int, temperature: float) -> np.ndarray:
    """Return the classes' probabilities for each example of a split, `[rows, classes]` float64.

    In float32, probabilities below 1e-7 would be cut off, and with them the log loss of confident mistakes.
    """
    return torch.softmax(compute_outputs(model, examples, batch_size).double() / temperature, dim=1).numpy()


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
