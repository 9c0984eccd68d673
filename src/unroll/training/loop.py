"""The training loop: epochs of steps, validation, early stopping that keeps the best weights."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm import tqdm

from unroll.base.errors import InputError
from unroll.models.batches import Batch, Examples, iterate_batches, make_batch
from unroll.models.encoder import State
from unroll.models.layers import PartialEmbedding
from unroll.models.predict import compute_outputs, resume_outputs
from unroll.params.common import TrainParams
from unroll.training.averaging import MovingAverage
from unroll.training.gradients import Gradients, clip_gradients, measure_gradients
from unroll.training.objectives import Classification, Objective
from unroll.training.progress import Epoch, Progress, Training
from unroll.training.resume import Checkpoints

STEPS_BETWEEN_NEWS = 20  # reading the loss off a GPU makes it wait, so it is looked at now and then
REMEDY = "try a lower train.learning_rate or train.clip_norm"


@dataclass(frozen=True)
class Options:
    """What only some models need.

    augment: changes the inputs of each training batch. embedding_rate: the share of the learning rate that embeddings
    have; frozen_epochs: how many epochs they are not trained in. carry_state: examples follow each other in time, the
    validation's after the training's, and are read in their order, each from the state that the one before it left.
    That state is detached: no gradient goes back beyond an example (truncated backpropagation through time, Williams &
    Peng 1990). keep_outputs: keep those for the validation examples of every epoch, not of the best alone.
    """

    augment: Callable[[Tensor], Tensor] = field(default=lambda inputs: inputs)
    embedding_rate: float = 1.0
    frozen_epochs: float = 0
    carry_state: bool = False
    keep_outputs: bool = False


UNWEIGHTED, PLAIN = Classification(), Options()


def train_model(
    model: nn.Module,
    train: Examples,
    val: Examples,
    params: TrainParams,
    objective: Objective = UNWEIGHTED,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    options: Options = PLAIN,
    checkpoints: Checkpoints | None = None,
) -> Training:
    """Train with Adam until the validation loss has not fallen for `params.patience` epochs.

    The model that is validated, and returned, is the moving average of the weights if `params.weight_average` is
    not 0. `on_epoch` is called after every epoch. The caller seeds PyTorch; the order of the batches depends on
    `params.seed` and the epoch alone. With `checkpoints`, a training that was interrupted goes on after its last whole
    epoch and ends with the same bits; `on_epoch` gets all epochs.

    Raises:
        InputError: the loss is no longer a finite number.
    """
    optimizer = torch.optim.Adam(_group_parameters(model, params.learning_rate, options.embedding_rate), fused=True)
    # PyTorch's patience is how many epochs are let pass, ours the number at which something is done.
    scheduler = ReduceLROnPlateau(optimizer, factor=params.lr_factor, patience=params.lr_patience - 1, threshold=0)
    average = MovingAverage(model, params.weight_average) if params.weight_average else None
    progress = Progress(model, average, optimizer, scheduler, options.keep_outputs)
    if checkpoints and checkpoints.load(progress):
        progress.resumed_after = len(progress.history)
        print(f"train: goes on after epoch {progress.resumed_after}, where it was interrupted")
        for epoch in progress.history:
            on_epoch(epoch)
    while not progress.is_over(params):
        started = time.perf_counter()
        epoch, outputs = _run_epoch(progress, train, val, params, objective, options)
        progress.add(epoch, outputs, time.perf_counter() - started)
        if checkpoints:
            checkpoints = _try_to_save(checkpoints, progress)
        on_epoch(epoch)
    return progress.finish()


def _try_to_save(checkpoints: Checkpoints, progress: Progress) -> Checkpoints | None:
    """Keep the training so far; where there is no room for that, say so once: the training itself can go on."""
    try:
        checkpoints.save(progress)
    except InputError as error:
        print(f"warning: {error}; if this training is interrupted, it begins anew", file=sys.stderr)
        return None
    return checkpoints


def _run_epoch(
    progress: Progress, train: Examples, val: Examples, params: TrainParams, objective: Objective, options: Options
) -> tuple[Epoch, Tensor]:
    """Train on all examples once; return what that came to, and the outputs for the validation examples."""
    number = len(progress.history) + 1
    learning_rate = progress.optimizer.param_groups[0]["lr"]
    for embedding in _find_embeddings(progress.model):
        embedding.requires_grad_(number > options.frozen_epochs)
    before = "{} {:.3f}, ".format(*progress.history[-1].val_score) if progress.history else ""
    title = f"epoch {number}/{params.epochs}"
    with tqdm(total=len(train), desc=title, unit=" examples", unit_scale=True, disable=None) as bar:
        bar.set_postfix_str(f"{before}lr {learning_rate:.1e}")
        started = time.perf_counter()
        steps = _take_steps(progress, train, params, objective, options, bar)
        seconds = time.perf_counter() - started
        if options.carry_state:
            outputs = resume_outputs(progress.validated, val, steps.state)
        else:
            outputs = compute_outputs(progress.validated, val, params.batch_size)
        val_targets = torch.from_numpy(np.array(val.targets))
        epoch = Epoch(
            epoch=number,
            train_loss=steps.loss,
            val_loss=objective.compute_loss(outputs, val_targets).item(),
            val_scores=objective.compute_scores(outputs, val_targets),
            learning_rate=learning_rate,
            gradient_norm=steps.gradient_norm,
            clipped_steps=steps.clipped,
            examples_per_second=len(train) / seconds,
            gradients=_measure_gradients(progress.model, train, params, objective) if params.log_gradients else None,
        )
        after = "{} {:.3f}".format(*epoch.val_score)
        bar.set_postfix_str(f"val loss {epoch.val_loss:.3f}, {after}, lr {learning_rate:.1e}")
    if not math.isfinite(epoch.val_loss):
        raise InputError(
            f"the validation loss became {epoch.val_loss} in epoch {number} at learning rate {learning_rate:g}, while "
            f"the training loss is {steps.loss:.4g}: expected a finite number; {REMEDY}"
        )
    return epoch, outputs


@dataclass(frozen=True)
class _Steps:
    """What the steps of an epoch came to: mean loss and gradient norm, share of clipped ones, the last state."""

    loss: float
    gradient_norm: float
    clipped: float
    state: State | None


def _take_steps(
    progress: Progress, train: Examples, params: TrainParams, objective: Objective, options: Options, bar: tqdm
) -> _Steps:
    """Take one step for each batch."""
    model, optimizer, epoch = progress.model, progress.optimizer, len(progress.history) + 1
    device = next(model.parameters()).device
    model.train()
    total_loss, losses, norms, state = torch.zeros((), device=device), [], [], None
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
        norms.append(clip_gradients(model, params.clip_norm))
        optimizer.step()
        if progress.average:
            progress.average.update(model)
        losses.append(loss.detach())
        total_loss += losses[-1] * len(batch.rows)
        bar.update(len(batch.rows))
        if len(norms) % STEPS_BETWEEN_NEWS == 1:
            check_loss(total_loss, losses, norms, epoch, optimizer.param_groups[0]["lr"])
            if not bar.disable:
                bar.set_description(f"epoch {epoch}/{params.epochs}, loss {total_loss.item() / bar.n:.3f}")
    check_loss(total_loss, losses, norms, epoch, optimizer.param_groups[0]["lr"])
    norms = torch.stack(norms)
    clipped = (norms > params.clip_norm).float()
    return _Steps((total_loss / len(train)).item(), norms.mean().item(), clipped.mean().item(), state)


def check_loss(total: Tensor, losses: list[Tensor], norms: list[Tensor], epoch: int, learning_rate: float) -> None:
    """Raise InputError if a loss was no finite number; losses, norms: of the epoch's steps so far, scalars."""
    if total.isfinite():
        return
    step = int(torch.stack(losses).isfinite().logical_not().nonzero()[0])
    gradients = ", ".join(f"{norm.item():.3g}" for norm in norms[max(step - 3, 0) : step + 1])
    raise InputError(
        f"the loss became {losses[step].item()} in epoch {epoch}, step {step + 1}, at learning rate {learning_rate:g}; "
        f"the gradients' norms of the last steps were {gradients}: expected finite numbers; {REMEDY}"
    )


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


def _find_embeddings(model: nn.Module) -> list[nn.Parameter]:
    return [module.weight for module in model.modules() if isinstance(module, nn.Embedding | PartialEmbedding)]


def _group_parameters(model: nn.Module, learning_rate: float, embedding_rate: float) -> list[dict[str, Any]]:
    """Return the optimizer's groups: embeddings, if there are any, after all else, with their share of the rate."""
    embeddings = _find_embeddings(model)
    known = set(map(id, embeddings))
    others = [weight for weight in model.parameters() if id(weight) not in known]
    groups = [{"params": others, "lr": learning_rate}, {"params": embeddings, "lr": learning_rate * embedding_rate}]
    return [group for group in groups if group["params"]]
