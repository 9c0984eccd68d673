"""The progress of a training: its epochs, and everything else that the next epoch depends on."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from unroll.params.common import TrainParams
from unroll.training.averaging import MovingAverage
from unroll.training.gradients import Gradients


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch. Losses are in nats; the gradient's norm is the mean over steps, before clipping."""

    epoch: int
    train_loss: float
    val_loss: float
    val_scores: dict[str, float]  # the last is the main one
    learning_rate: float
    gradient_norm: float
    clipped_steps: float  # share of the steps whose gradient was clipped
    examples_per_second: float
    gradients: Gradients | None = None

    @property
    def val_score(self) -> tuple[str, float]:
        """The name and value of the main score."""
        return list(self.val_scores.items())[-1]

    def as_row(self) -> dict[str, float]:
        """Return the row of metrics/plots/history.csv. It leaves out speed, which differs from run to run."""
        scores = {f"val_{name}": value for name, value in self.val_scores.items()}
        row = {"epoch": self.epoch, "train_loss": self.train_loss, "val_loss": self.val_loss, **scores}
        rest = ("learning_rate", "gradient_norm", "clipped_steps")
        return row | {name: getattr(self, name) for name in rest}


@dataclass(frozen=True)
class Training:
    """A finished training: its epochs, the best of them, that epoch's weights, and how long it took."""

    history: list[Epoch]
    best: Epoch
    weights: dict[str, Tensor]
    val_outputs: dict[int, Tensor]  # [rows, …] float32, by epoch: of the best, or of all if all are kept
    seconds: float
    resumed_after: int = 0  # the epoch after which it was resumed; the last one, if several

    @property
    def best_outputs(self) -> Tensor:
        """The outputs for the validation examples in the best epoch, `[rows, …]` float32."""
        return self.val_outputs[self.best.epoch]


@dataclass
class Progress:
    """A training in progress. Each epoch changes all of it; weights: a copy of the best epoch's, on the CPU.

    val_outputs: as in `Training`. They are large if rows and classes are many, so most trainings keep only the best.
    """

    model: nn.Module
    average: MovingAverage | None
    optimizer: torch.optim.Optimizer
    scheduler: ReduceLROnPlateau
    keep_outputs: bool = False  # of every epoch
    history: list[Epoch] = field(default_factory=list)
    val_outputs: dict[int, Tensor] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    resumed_after: int = 0

    @property
    def validated(self) -> nn.Module:
        """The model that is validated and kept: the moving average of the weights, if there is one."""
        return self.average.module if self.average else self.model

    @property
    def next_epoch(self) -> int:
        """The number of the next epoch, or of the one in progress."""
        return len(self.history) + 1

    @property
    def learning_rate(self) -> float:
        """The learning rate of all weights except embeddings."""
        return self.optimizer.param_groups[0]["lr"]

    @property
    def best(self) -> Epoch:
        """The epoch of the lowest validation loss; the first, if several."""
        return min(self.history, key=lambda epoch: epoch.val_loss)

    def is_over(self, params: TrainParams) -> bool:
        """Whether all epochs are done, or the validation loss has not fallen for `params.patience` of them."""
        done = len(self.history)
        return done >= params.epochs or (done > 0 and done - self.best.epoch >= params.patience)

    def add(self, epoch: Epoch, val_outputs: Tensor, seconds: float) -> None:
        """Add a finished epoch; keep the weights if it is the best."""
        self.history.append(epoch)
        self.seconds += seconds
        self.scheduler.step(epoch.val_loss)
        is_best = self.best is epoch
        if is_best and not self.keep_outputs:
            self.val_outputs.clear()
        if is_best or self.keep_outputs:
            self.val_outputs[epoch.epoch] = val_outputs
        if is_best:
            # Copies, because the model's own weights go on changing.
            self.weights = {name: value.detach().cpu().clone() for name, value in self.validated.state_dict().items()}

    def finish(self) -> Training:
        """Return the finished training."""
        return Training(self.history, self.best, self.weights, self.val_outputs, self.seconds, self.resumed_after)
