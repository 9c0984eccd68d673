"""The moving average of a model's weights, which generalises better than the weights of any one step."""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage(nn.Module):
    """A copy of a model that follows its weights: an exponential moving average (Polyak & Juditsky 1992).

    At first it forgets faster, so that the random start does not linger. PyTorch's AveragedModel would also copy, in
    each step, what no step changes: buffers, and the vectors of frozen embeddings.

    module: the averaged model; updates: their number so far, int64.
    """

    updates: Tensor

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(model)
        self.decay = decay
        self.register_buffer("updates", torch.tensor(0))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Follow the model, whose weights have just changed."""
        pairs = zip(self.module.parameters(), model.parameters(), strict=True)
        averaged, current = zip(*[pair for pair in pairs if pair[1].requires_grad], strict=True)
        updates = int(self.updates)
        # The first step's weights are taken as they are.
        decay = min(self.decay, (1 + updates) / (10 + updates)) if updates else 0.0
        get_ema_multi_avg_fn(decay)(averaged, current, updates)
        self.updates += 1
