"""The loss that training minimizes and the scores of validation, for classes and for values."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from unroll.evaluation.validation import compute_macro_f1


class Objective(Protocol):
    """outputs: what a model returns; targets: what it should return."""

    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, a scalar."""

    def weigh(self, targets: Tensor) -> float:
        """Return how much the targets count in a mean loss, compared with others."""

    def compute_scores(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Return the scores of validation; the last is the main one."""


@dataclass(frozen=True)
class Classification:
    """Cross-entropy in nats, of sequences or of each step: logits `[…, classes]` and class numbers `[…]` int64.

    class_weights: [classes] float32, or None if all classes count the same.
    """

    class_weights: Tensor | None = None

    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        weights = None if self.class_weights is None else self.class_weights.to(outputs.device)
        return cross_entropy(outputs.flatten(end_dim=-2), targets.flatten(), weight=weights)

    def weigh(self, targets: Tensor) -> float:
        return targets.numel() if self.class_weights is None else self.class_weights[targets.cpu()].sum().item()

    def compute_scores(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        predicted, labels = outputs.argmax(dim=-1).numpy(), targets.numpy()
        scores = {"accuracy": float((predicted == labels).mean())}
        if outputs.ndim == 2:  # for steps, a class may not occur at all
            scores["macro_f1"] = compute_macro_f1(labels, predicted, outputs.shape[-1])
        return scores


@dataclass(frozen=True)
class Regression:
    """Mean squared error of values, of sequences or of each step: both `[…]` float32 of one shape."""

    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return mse_loss(outputs, targets)

    def weigh(self, targets: Tensor) -> float:
        return targets.numel()

    def compute_scores(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"rmse": mse_loss(outputs, targets).sqrt().item()}


def weigh_classes(labels: np.ndarray, classes: int) -> Tensor:
    """Return weights inverse to the classes' frequencies in the training labels; [classes] float32."""
    weights = len(labels) / (classes * np.bincount(labels, minlength=classes))
    return torch.tensor(weights, dtype=torch.float32)
