"""The training loop: epochs of steps, validation, early stopping that keeps the best weights."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from unroll.batches import Batch, Examples, iterate_batches, make_batch
from unroll.encoder import State
from unroll.errors import InputError
from unroll.gradients import Gradients, measure_gradients
from unroll.objectives import Classification, Objective
from unroll.outputs import compute_outputs, resume_outputs
from unroll.params import TrainParams

STEPS_BETWEEN_NEWS = 20  # reading the loss off a GPU makes it wait, so the progress bar gets it now and then


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Losses are in nats; the gradient's norm is the mean over steps, before clipping."""

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
        """Return the row of metrics/plots/history.csv. Speed is no result: it differs from run to run."""
        scores = {f"val_{name}": value for name, value in self.val_scores.items()}
        row = {"epoch": self.epoch, "train_loss": self.train_loss, "val_loss": self.val_loss, **scores}
        rest = ("learning_rate", "gradient_norm", "clipped_steps")
        return row | {name: getattr(self, name) for name in rest}


@dataclass(frozen=True)
class Training:
    """A finished training: its epochs, the best of them, and that epoch's weights."""

    history: list[Epoch]
    best: Epoch
    weights: dict[str, Tensor]
    val_outputs: Tensor  # [rows, …] float32, of the best epoch


@dataclass(frozen=True)
class Options:
    """What only some models need.

    augment: changes the inputs of each training batch. embedding_rate: the share of the learning rate that embeddings
    have; frozen_epochs: how many epochs they are not trained in. carry_state: examples follow each other in time, the
    validation's after the training's, and are read in their order, each from the state that the one before it left.
    That state is detached: no gradient goes back beyond an example (truncated backpropagation through time, Williams &
    Peng 1990).
    """

    augment: Callable[[Tensor], Tensor] = field(default=lambda inputs: inputs)
    embedding_rate: float = 1.0
    frozen_epochs: float = 0
    carry_state: bool = False


UNWEIGHTED, PLAIN = Classification(), Options()


def train_model(
    model: nn.Module,
    train: Examples,
    val: Examples,
    params: TrainParams,
    objective: Objective = UNWEIGHTED,
    on_epoch: Callable[[Epoch, Tensor], None] = lambda epoch, val_outputs: None,
    options: Options = PLAIN,
) -> Training:
    """Train with Adam until the validation loss has not fallen for `params.patience` epochs.

    The model that is validated, and returned, is the moving average of the weights if `params.weight_average` is
    not 0. `on_epoch` is called after every epoch, with the outputs for the validation examples. The caller seeds
    PyTorch; the order of the batches depends on `params.seed` and the epoch alone.

    Raises:
        InputError: the loss is no longer a finite number.
    """
    optimizer = torch.optim.Adam(_group_parameters(model, params.learning_rate, options.embedding_rate), fused=True)
    scheduler = ReduceLROnPlateau(optimizer, factor=params.lr_factor, patience=params.lr_patience)
    average = AveragedModel(model, multi_avg_fn=_make_average(params.weight_average)) if params.weight_average else None
    validated = average.module if average else model
    val_targets = torch.from_numpy(np.array(val.targets))

    history: list[Epoch] = []
    best: Epoch | None = None
    weights: dict[str, Tensor] = {}
    best_outputs = torch.empty(0)
    for number in range(1, params.epochs + 1):
        learning_rate = optimizer.param_groups[0]["lr"]
        for embedding in _find_embeddings(model):
            embedding.requires_grad_(number > options.frozen_epochs)
        before = "{} {:.3f}, ".format(*history[-1].val_score) if history else ""
        title = f"epoch {number}/{params.epochs}"
        with tqdm(total=len(train), desc=title, unit=" examples", unit_scale=True, disable=None) as progress:
            progress.set_postfix_str(f"{before}lr {learning_rate:.1e}")
            started = time.perf_counter()
            steps = _train_epoch(model, train, params, number, optimizer, average, objective, options, progress)
            seconds = time.perf_counter() - started
            if options.carry_state:
                outputs = resume_outputs(validated, val, steps.state)
            else:
                outputs = compute_outputs(validated, val, params.batch_size)
            epoch = Epoch(
                epoch=number,
                train_loss=steps.loss,
                val_loss=objective.compute_loss(outputs, val_targets).item(),
                val_scores=objective.compute_scores(outputs, val_targets),
                learning_rate=learning_rate,
                gradient_norm=steps.gradient_norm,
                clipped_steps=steps.clipped,
                examples_per_second=len(train) / seconds,
                gradients=_measure_gradients(model, train, params, objective) if params.log_gradients else None,
            )
            after = "{} {:.3f}".format(*epoch.val_score)
            progress.set_postfix_str(f"val loss {epoch.val_loss:.3f}, {after}, lr {learning_rate:.1e}")
        if not math.isfinite(steps.loss + epoch.val_loss):
            raise InputError(
                f"the loss became {steps.loss} in training and {epoch.val_loss} in validation, in epoch {number} at "
                f"learning rate {learning_rate:g} and gradient norm {steps.gradient_norm:g}: expected finite numbers; "
                "try a lower train.learning_rate or train.clip_norm"
            )
        history.append(epoch)
        on_epoch(epoch, outputs)
        scheduler.step(epoch.val_loss)
        if best is None or epoch.val_loss < best.val_loss:
            best, best_outputs = epoch, outputs
            # Copies: a reference to the model's own weights would go on changing with them.
            weights = {name: weight.detach().cpu().clone() for name, weight in validated.state_dict().items()}
        elif number - best.epoch >= params.patience:
            break
    return Training(history, best, weights, best_outputs)


@dataclass(frozen=True)
class _Steps:
    """What the steps of an epoch came to: mean loss and gradient norm, share of clipped ones, the last state."""

    loss: float
    gradient_norm: float
    clipped: float
    state: State | None


def _train_epoch(
    model: nn.Module,
    train: Examples,
    params: TrainParams,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    objective: Objective,
    options: Options,
    progress: tqdm,
) -> _Steps:
    """Take one step for each batch."""
    device = next(model.parameters()).device
    model.train()
    total_loss, norms, state = torch.zeros((), device=device), [], None
    for batch in _order_batches(train, params, epoch, device, options):
        inputs = options.augment(batch.inputs)
        # In bfloat16 where that is exact enough: losses, weights and their updates stay float32 (arXiv:1710.03740).
        with torch.autocast(device.type, torch.bfloat16, enabled=params.precision == "bfloat16"):
            if options.carry_state:
                outputs, state = model.resume(inputs, state)
                state = detach_state(state)
            else:
                outputs = model(inputs, batch.lengths)
            loss = objective.compute_loss(outputs, batch.targets)
        optimizer.zero_grad()
        loss.backward()
        norms.append(clip_grad_norm_(model.parameters(), params.clip_norm))
        optimizer.step()
        if average:
            average.update_parameters(model)
        total_loss += loss.detach() * len(batch.rows)
        progress.update(len(batch.rows))
        if not progress.disable and len(norms) % STEPS_BETWEEN_NEWS == 1:
            progress.set_description(f"epoch {epoch}/{params.epochs}, loss {total_loss.item() / progress.n:.3f}")
    norms = torch.stack(norms)
    clipped = (norms > params.clip_norm).float()
    return _Steps((total_loss / len(train)).item(), norms.mean().item(), clipped.mean().item(), state)


def detach_state(state: State) -> State:
    """Return the state's values, cut off from the computation that they came from."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def _order_batches(
    train: Examples, params: TrainParams, epoch: int, device: torch.device, options: Options
) -> Iterator[Batch]:
    if options.carry_state:
        return iterate_batches(train, 1, device)
    return iterate_batches(train, params.batch_size, device, np.random.default_rng([params.seed, epoch]))


def _measure_gradients(model: nn.Module, train: Examples, params: TrainParams, objective: Objective) -> Gradients:
    """Return the gradients of the training split's first examples: the same in each epoch."""
    device = next(model.parameters()).device
    batch = make_batch(train, np.arange(min(params.batch_size, len(train))))
    there = Batch(batch.rows, batch.inputs.to(device), batch.targets.to(device), batch.lengths)
    return measure_gradients(model, there, objective)


def _make_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor | int], None]:
    """Return an exponential moving average that forgets faster at first, so that the random start does not linger."""

    def average(averaged: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        present_decay = min(decay, (1 + int(updates)) / (10 + int(updates)))
        get_ema_multi_avg_fn(present_decay)(averaged, current, updates)

    return average


def _find_embeddings(model: nn.Module) -> list[nn.Parameter]:
    return [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]


def _group_parameters(model: nn.Module, learning_rate: float, embedding_rate: float) -> list[dict[str, Any]]:
    """Return the optimizer's groups: embeddings, if there are any, after all else, with their share of the rate."""
    embeddings = _find_embeddings(model)
    known = set(map(id, embeddings))
    others = [weight for weight in model.parameters() if id(weight) not in known]
    groups = [{"params": others, "lr": learning_rate}, {"params": embeddings, "lr": learning_rate * embedding_rate}]
    return [group for group in groups if group["params"]]
