"""The training loop: epochs of steps, validation, early stopping that keeps the best weights."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from unroll.batches import iterate_batches
from unroll.errors import InputError
from unroll.model import compute_logits
from unroll.params import TrainParams
from unroll.scores import compute_macro_f1
from unroll.tokens import Tokens
from unroll.vocabulary import UNKNOWN_ID

STEPS_BETWEEN_NEWS = 20  # reading the loss off a GPU makes it wait, so the progress bar gets it now and then


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Losses are in nats; the gradient's norm is the mean over steps, before clipping."""

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    val_macro_f1: float
    learning_rate: float
    gradient_norm: float
    clipped_steps: float  # share of the steps whose gradient was clipped
    examples_per_second: float


@dataclass(frozen=True)
class Training:
    """A finished training: its epochs, the best of them, and that epoch's weights."""

    history: list[Epoch]
    best: Epoch
    weights: dict[str, Tensor]
    val_logits: Tensor  # [rows, classes] float32, of the best epoch


def weigh_classes(labels: np.ndarray, classes: int) -> Tensor:
    """Return weights inverse to the classes' frequencies in the training labels; [classes] float32."""
    weights = compute_class_weight("balanced", classes=np.arange(classes), y=labels)
    return torch.tensor(weights, dtype=torch.float32)


def train_model(
    model: nn.Module,
    train: Tokens,
    val: Tokens,
    params: TrainParams,
    class_weights: Tensor | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    embedding_rate: float = 1.0,
) -> Training:
    """Train with Adam until the validation loss has not fallen for `params.patience` epochs.

    The model that is validated, and returned, is the moving average of the weights if `params.weight_average` is
    not 0. Embeddings learn at `embedding_rate` times the learning rate. `on_epoch` is called after every epoch.
    The caller seeds PyTorch; the order of the batches depends on `params.seed` and the epoch alone.

    Raises:
        InputError: the loss is no longer a finite number.
    """
    device = next(model.parameters()).device
    class_weights = None if class_weights is None else class_weights.to(device)
    optimizer = torch.optim.Adam(_group_parameters(model, params.learning_rate, embedding_rate), fused=True)
    scheduler = ReduceLROnPlateau(optimizer, factor=params.lr_factor, patience=params.lr_patience)
    average = AveragedModel(model, multi_avg_fn=_make_average(params.weight_average)) if params.weight_average else None
    validated = average.module if average else model
    val_labels = torch.from_numpy(np.array(val.labels))
    val_weights = None if class_weights is None else class_weights.cpu()

    history: list[Epoch] = []
    best: Epoch | None = None
    weights: dict[str, Tensor] = {}
    best_logits = torch.empty(0)
    for number in range(1, params.epochs + 1):
        learning_rate = optimizer.param_groups[0]["lr"]
        f1 = f"{history[-1].val_macro_f1:.3f}" if history else "-"
        title = f"epoch {number}/{params.epochs}"
        with tqdm(total=len(train), desc=title, unit=" examples", unit_scale=True, disable=None) as progress:
            progress.set_postfix_str(f"F1 {f1}, lr {learning_rate:.1e}")
            started = time.perf_counter()
            loss, norm, clipped = _train_epoch(
                model, train, params, number, optimizer, average, class_weights, progress
            )
            seconds = time.perf_counter() - started
            logits = compute_logits(validated, val, params.batch_size)
            predicted = logits.argmax(dim=1).numpy()
            epoch = Epoch(
                epoch=number,
                train_loss=loss,
                val_loss=cross_entropy(logits, val_labels, weight=val_weights).item(),
                val_accuracy=float((predicted == val.labels).mean()),
                val_macro_f1=compute_macro_f1(val.labels, predicted, logits.shape[1]),
                learning_rate=learning_rate,
                gradient_norm=norm,
                clipped_steps=clipped,
                examples_per_second=len(train) / seconds,
            )
            progress.set_postfix_str(
                f"val loss {epoch.val_loss:.3f}, F1 {epoch.val_macro_f1:.3f}, lr {learning_rate:.1e}"
            )
        if not math.isfinite(loss + epoch.val_loss):
            raise InputError(
                f"the loss became {loss} in training and {epoch.val_loss} in validation, in epoch {number} at learning "
                f"rate {learning_rate:g} and gradient norm {norm:g}: expected finite numbers; try a lower "
                "train.learning_rate or train.clip_norm"
            )
        history.append(epoch)
        on_epoch(epoch)
        scheduler.step(epoch.val_loss)
        if best is None or epoch.val_loss < best.val_loss:
            best, best_logits = epoch, logits
            # Copies: a reference to the model's own weights would go on changing with them.
            weights = {name: weight.detach().cpu().clone() for name, weight in validated.state_dict().items()}
        elif number - best.epoch >= params.patience:
            break
    return Training(history, best, weights, best_logits)


def drop_words(ids: Tensor, probability: float) -> Tensor:
    """Make each token unknown with the given probability, so that the model learns what to do with unknown ones."""
    if not probability:
        return ids
    return ids.masked_fill(torch.rand(ids.shape, device=ids.device) < probability, UNKNOWN_ID)


def _train_epoch(
    model: nn.Module,
    train: Tokens,
    params: TrainParams,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    class_weights: Tensor | None,
    progress: tqdm,
) -> tuple[float, float, float]:
    """Take one step for each batch; return the mean loss, the mean gradient norm and the share of clipped steps."""
    device = next(model.parameters()).device
    model.train()
    random = np.random.default_rng([params.seed, epoch])
    total_loss, norms = torch.zeros((), device=device), []
    for batch in iterate_batches(train, params.batch_size, device, random):
        logits = model(drop_words(batch.ids, params.word_dropout), batch.lengths)
        loss = cross_entropy(logits, batch.labels, weight=class_weights)
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
    return (total_loss / len(train)).item(), norms.mean().item(), clipped.mean().item()


def _make_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor | int], None]:
    """Return an exponential moving average that forgets faster at first, so that the random start does not linger."""

    def average(averaged: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        present_decay = min(decay, (1 + int(updates)) / (10 + int(updates)))
        get_ema_multi_avg_fn(present_decay)(averaged, current, updates)

    return average


def _group_parameters(model: nn.Module, learning_rate: float, embedding_rate: float) -> list[dict[str, Any]]:
    """Return the optimizer's groups: embeddings after all else, with their share of the learning rate."""
    embeddings = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    known = set(map(id, embeddings))
    others = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        {"params": others, "lr": learning_rate},
        {"params": embeddings, "lr": learning_rate * embedding_rate},
    ]
