"""A model over all examples of a split, without training it."""

import numpy as np
import torch
from torch import Tensor, nn

from unroll.models.batches import Examples, iterate_batches
from unroll.models.cells import State


def compute_outputs(model: nn.Module, examples: Examples, batch_size: int) -> Tensor:
    """Return what the model makes of each example, in their order: `[rows, …]` float32 on the CPU."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows, outputs = [], []
    with torch.inference_mode():
        for batch in iterate_batches(examples, batch_size, device):
            rows.append(torch.from_numpy(batch.rows))
            outputs.append(model(batch.inputs, batch.lengths).cpu())
    model.train(was_training)
    in_batch_order = torch.cat(outputs)
    result = torch.empty_like(in_batch_order)
    result[torch.cat(rows)] = in_batch_order
    return result.clone()  # an ordinary tensor, not one of inference mode


def resume_outputs(model: nn.Module, examples: Examples, state: State | None) -> Tensor:
    """Do the same for examples that follow each other in time, each read from the state that the one before it left.

    state: what comes before the first of them left, if anything does.
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

    In float32 what is less likely than 1e-7 would be cut off, and the log loss of a confident mistake with it.
    """
    return torch.softmax(compute_outputs(model, examples, batch_size).double() / temperature, dim=1).numpy()


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
