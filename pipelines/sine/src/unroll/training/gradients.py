"""Measuring gradients by layer and by time step, and clipping them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from unroll.models.batches import Batch
from unroll.training.objectives import Objective


@dataclass(frozen=True)
class Gradients:
    """Norms of the gradient of a batch's mean loss.

    layers: by name of the weights, such as `encoder.layers.weight_hh_l0`; steps: with respect to the recurrent layers'
    input at each time step, in order: the mean over the sequences that reach that step.
    """

    layers: dict[str, float]
    steps: list[float]


def measure_gradients(model: nn.Module, batch: Batch, objective: Objective) -> Gradients:
    """Return the gradients of one batch; the model and its gradients do not change.

    model: has an `encoder`, whose input is `[batch, time, features]`. If gradients vanish, those of early steps are
    smaller by orders of magnitude than those of late ones; if they explode, larger (Bengio et al. 1994; Pascanu et
    al. 2013, arXiv:1211.5063).
    """
    read: list[Tensor] = []

    def keep(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        features = arguments[0] if arguments[0].requires_grad else arguments[0].requires_grad_()
        read.append(features)
        return features, *arguments[1:]

    hook = model.get_submodule("encoder").register_forward_pre_hook(keep)
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    try:
        # Dropout draws random numbers; training must find its own sequence unchanged.
        devices = [batch.inputs.device] if batch.inputs.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            loss = objective.compute_loss(model(batch.inputs, batch.lengths, *batch.extras), batch.targets)
            gradients = torch.autograd.grad(loss, [*weights.values(), read[0]])
    finally:
        hook.remove()
    norms = gradients[-1].norm(dim=2)  # [batch, time]
    lengths = torch.full((len(norms),), norms.shape[1]) if batch.lengths is None else batch.lengths
    reached = (torch.arange(norms.shape[1]) < lengths[:, None]).sum(dim=0)
    layers = {name: norm.norm().item() for name, norm in zip(weights, gradients[:-1], strict=True)}
    return Gradients(layers, (norms.sum(dim=0).cpu() / reached).tolist())


def clip_gradients(model: nn.Module, limit: float) -> Tensor:
    """Scale the gradients down to a norm of at most `limit` (Pascanu et al. 2013); return their norm before, a scalar.

    PyTorch's `clip_grad_norm_` goes over the gradients a second time even if it multiplies them by 1.
    """
    norm = get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None])
    if norm.is_cuda or norm > limit:  # reading the norm from a GPU would make it wait
        clip_grads_with_norm_(model.parameters(), limit, norm)
    return norm
