"""The training loop: epochs of steps, validation, and early stopping that keeps the best weights."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm import tqdm

from unroll.base.errors import InputError
from unroll.models.batches import Batch, Examples, choose_batch_size, iterate_batches, make_batch
from unroll.models.cells import State, detach_state
from unroll.models.predict import compute_outputs, resume_outputs
from unroll.params.common import TrainParams
from unroll.training.averaging import MovingAverage
from unroll.training.gradients import Gradients, clip_gradients, measure_gradients
from unroll.training.objectives import Classification, Objective
from unroll.training.optimizer import find_embeddings, make_optimizer
from unroll.training.progress import Epoch, Progress, Training
from unroll.training.resume import Checkpoints

if TYPE_CHECKING:
    from unroll.training.distributed import Team

STEPS_BETWEEN_NEWS = 20  # reading the loss from a GPU makes it wait, so this is done now and then
REMEDY = "try a lower train.learning_rate or train.clip_norm"


@dataclass(frozen=True)
class Options:
    """Options that only some models need.

    augment: changes the inputs of each training batch. embedding_rate: the embeddings' share of the learning rate;
    ngram_rate: the learning rate of n-grams; frozen_epochs: how many epochs embeddings are not trained for.
    carry_state: examples follow each other in time, the validation's after the training's. They are read in order, each
    starting from the last one's state. That state is detached: no gradient flows back beyond an example (truncated
    backpropagation through time, Williams & Peng 1990). keep_outputs: keep the outputs for the validation examples of
    every epoch, not only of the best.
    """

    augment: Callable[[Tensor], Tensor] = field(default=lambda inputs: inputs)
    embedding_rate: float = 1.0
    ngram_rate: float = 0.0
    frozen_epochs: float = 0
    carry_state: bool = False
    keep_outputs: bool = False


@dataclass(frozen=True)
class Task:
    """What a model is trained on, and how; team: the processes that do it together, if there are several."""

    train: Examples
    val: Examples
    params: TrainParams
    objective: Objective = field(default_factory=Classification)
    options: Options = field(default_factory=Options)
    team: "Team | None" = None

    @property
    def batch_size(self) -> int:
        """Examples of a step."""
        return choose_batch_size(self.params.batch_size, len(self.train))


def train_model(
    model: nn.Module,
    task: Task,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoints: Checkpoints | None = None,
) -> Training:
    """Train with Adam until the validation loss has not fallen for `train.patience` epochs.

    The model that is validated and returned is the moving average of the weights, unless `train.weight_average` is 0.
    `on_epoch` is called after every epoch. The caller seeds PyTorch; the order of the batches depends only on
    `train.seed` and the epoch. With `checkpoints`, an interrupted training resumes after its last whole epoch and ends
    with the same bits; `on_epoch` gets all epochs.

    Raises:
        InputError: the loss is no longer a finite number.
    """
    progress = _begin(model, task)
    if checkpoints and checkpoints.load(progress):
        progress.resumed_after = len(progress.history)
        print(f"train: goes on after epoch {progress.resumed_after}, where it was interrupted")
        for epoch in progress.history:
            on_epoch(epoch)
    if task.team:
        task.team.begin(progress)
    while not progress.is_over(task.params):
        started = time.perf_counter()
        epoch, outputs = _run_epoch(progress, task)
        if task.team:
            epoch = task.team.agree(epoch)
        progress.add(epoch, outputs, time.perf_counter() - started)
        if checkpoints:
            checkpoints = _try_to_save(checkpoints, progress)
        on_epoch(epoch)
    return progress.finish()


def _begin(model: nn.Module, task: Task) -> Progress:
    """Return a training that has not taken a step yet."""
    params = task.params
    optimizer = make_optimizer(model, params.learning_rate, task.options.embedding_rate, task.options.ngram_rate)
    # PyTorch's patience counts the epochs that may pass; ours is the epoch at which something happens.
    scheduler = ReduceLROnPlateau(optimizer, factor=params.lr_factor, patience=params.lr_patience - 1, threshold=0)
    average = MovingAverage(model, params.weight_average) if params.weight_average else None
    return Progress(model, average, optimizer, scheduler, task.options.keep_outputs)


def _try_to_save(checkpoints: Checkpoints, progress: Progress) -> Checkpoints | None:
    """Save the training so far. If there is no room, say so once; the training itself goes on."""
    try:
        checkpoints.save(progress)
    except InputError as error:
        print(f"warning: {error}; if this training is interrupted, it begins anew", file=sys.stderr)
        return None
    return checkpoints


def _run_epoch(progress: Progress, task: Task) -> tuple[Epoch, Tensor]:
    """Train on all examples once; return the epoch's results and the outputs for the validation examples."""
    number, learning_rate = progress.next_epoch, progress.learning_rate
    for embedding in find_embeddings(progress.model):
        embedding.requires_grad_(number > task.options.frozen_epochs)
    before = "{} {:.3f}, ".format(*progress.history[-1].val_score) if progress.history else ""
    title = f"epoch {number}/{task.params.epochs}"
    hidden = True if task.team and task.team.rank else None  # None: unless it is a terminal
    with tqdm(total=len(task.train), desc=title, unit=" examples", unit_scale=True, disable=hidden) as bar:
        bar.set_postfix_str(f"{before}lr {learning_rate:.1e}")
        started = time.perf_counter()
        steps = _take_steps(progress, task, bar)
        seconds = time.perf_counter() - started
        outputs = _validate(progress, task, steps.state)
        val_targets = torch.from_numpy(np.array(task.val.targets))
        epoch = Epoch(
            epoch=number,
            train_loss=(steps.total_loss / len(task.train)).item(),
            val_loss=task.objective.compute_loss(outputs, val_targets).item(),
            val_scores=task.objective.compute_scores(outputs, val_targets),
            learning_rate=learning_rate,
            gradient_norm=torch.stack(steps.norms).mean().item(),
            clipped_steps=(torch.stack(steps.norms) > task.params.clip_norm).float().mean().item(),
            examples_per_second=len(task.train) / seconds,
            gradients=_measure_gradients(progress.model, task) if task.params.log_gradients else None,
        )
        after = "{} {:.3f}".format(*epoch.val_score)
        bar.set_postfix_str(f"val loss {epoch.val_loss:.3f}, {after}, lr {learning_rate:.1e}")
    if not math.isfinite(epoch.val_loss):
        raise InputError(
            f"the validation loss became {epoch.val_loss} in epoch {number} at learning rate {learning_rate:g}, while "
            f"the training loss is {epoch.train_loss:.4g}: expected a finite number; {REMEDY}"
        )
    return epoch, outputs


@dataclass
class _Steps:
    """The steps of an epoch so far: the sum of the examples' losses; each step's loss and gradient norm, scalars; the
    last state, if states are carried on."""

    total_loss: Tensor
    losses: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)
    state: State | None = None


def _take_steps(progress: Progress, task: Task, bar: "tqdm[Any]") -> _Steps:
    """Take one step for each batch."""
    model = progress.model.train()
    device = next(model.parameters()).device
    steps = _Steps(torch.zeros((), device=device))
    for batch in _order_batches(task, progress.next_epoch, device):
        batch = replace(batch, inputs=task.options.augment(batch.inputs))
        part = task.team.divide(batch, task, model) if task.team else batch
        # bfloat16 where it is exact enough: losses, weights and their updates stay float32 (arXiv:1710.03740).
        with torch.autocast(device.type, torch.bfloat16, enabled=task.params.precision == "bfloat16"):
            outputs, steps.state = _compute_outputs(model, part, task.options, steps.state)
            loss = task.objective.compute_loss(outputs, part.targets)
        progress.optimizer.zero_grad()
        loss.backward()
        if task.team:
            loss = task.team.add_up(model, loss, part.share)
        steps.norms.append(clip_gradients(model, task.params.clip_norm))
        progress.optimizer.step()
        if progress.average:
            progress.average.update(model)
        steps.losses.append(loss.detach())
        steps.total_loss += steps.losses[-1] * len(batch.rows)
        bar.update(len(batch.rows))
        if len(steps.norms) % STEPS_BETWEEN_NEWS == 1:
            _check_loss(steps, progress)
            if not bar.disable:
                loss_so_far = steps.total_loss.item() / bar.n
                bar.set_description(f"epoch {progress.next_epoch}/{task.params.epochs}, loss {loss_so_far:.3f}")
    _check_loss(steps, progress)
    return steps


def _compute_outputs(
    model: nn.Module, batch: Batch, options: Options, state: State | None
) -> tuple[Tensor, State | None]:
    """Return the model's outputs for a batch, and the state to carry on to the next one, if any."""
    if not options.carry_state:
        return model(batch.inputs, batch.lengths, *batch.extras), None
    outputs, carried = model.resume(batch.inputs, state)  # type: ignore[operator]  # a SequenceModel has it
    return outputs, detach_state(carried)


def _check_loss(steps: _Steps, progress: Progress) -> None:
    """Raise InputError if a loss is not finite."""
    if steps.total_loss.isfinite():
        return
    step = int(torch.stack(steps.losses).isfinite().logical_not().nonzero()[0])
    gradients = ", ".join(f"{norm.item():.3g}" for norm in steps.norms[max(step - 3, 0) : step + 1])
    raise InputError(
        f"the loss became {steps.losses[step].item()} in epoch {progress.next_epoch}, step {step + 1}, at learning "
        f"rate {progress.learning_rate:g}; the gradients' norms of the last steps were {gradients}: expected finite "
        f"numbers; {REMEDY}"
    )


def _validate(progress: Progress, task: Task, state: State | None) -> Tensor:
    """Return the outputs for the validation examples; state: that of the last training example."""
    if task.options.carry_state:
        return resume_outputs(progress.validated, task.val, state)
    return compute_outputs(progress.validated, task.val, task.batch_size)


def _order_batches(task: Task, epoch: int, device: torch.device) -> Iterator[Batch]:
    if task.options.carry_state:
        return iterate_batches(task.train, 1, device)
    order = np.random.default_rng([task.params.seed, epoch])
    return iterate_batches(task.train, task.batch_size, device, order)


def _measure_gradients(model: nn.Module, task: Task) -> Gradients:
    """Return the gradients for the first training examples, the same ones in each epoch."""
    device = next(model.parameters()).device
    batch = make_batch(task.train, np.arange(min(task.batch_size, len(task.train))))
    return measure_gradients(model, batch.to(device), task.objective)
