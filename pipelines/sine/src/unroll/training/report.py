"""What a training writes: weights, learning curves, a summary, and warnings if it has gone wrong."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import save
from torch import Tensor

from unroll.base.files import replace_when_done, write_table
from unroll.training.progress import Epoch, Training


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights as models/model.safetensors."""
    content = save(weights)
    with replace_when_done(path) as temporary:
        temporary.write_bytes(content)


def write_history(training: Training, path: Path) -> None:
    """Write the learning curves, one row for each epoch, as metrics/plots/history.csv."""
    table = pd.DataFrame([epoch.as_row() for epoch in training.history])
    write_table(path, table, "%.6g")


def summarize(training: Training, parameters: int, symptoms: list[str]) -> dict[str, int | float | str]:
    """Return the content of metrics/train.json, with `warnings` if there are any; print them, too."""
    best, (name, value) = training.best, training.best.val_score
    for symptom in symptoms:
        print(f"warning: {symptom}", file=sys.stderr)
    summary = {
        "best_epoch": best.epoch,
        "epochs": len(training.history),
        "parameters": parameters,
        "val_loss": best.val_loss,
        f"val_{name}": value,
    }
    return summary | ({"warnings": "; ".join(symptoms)} if symptoms else {})


def describe_training(training: Training, summary: dict[str, int | float | str]) -> str:
    """Return the line that a training ends with."""
    best, (name, value) = training.best, training.best.val_score
    return (
        f"of {summary['parameters']:,} parameters, {len(training.history)} epochs in {training.seconds:.0f} s; "
        f"best epoch {best.epoch}: val loss {best.val_loss:.4f}, {name.replace('_f1', '-F1')} {value:.4f}"
    )


STILL = 0.001  # a training loss that changes by less than this share has not moved
NAMED = 10  # classes, in one symptom
LEARNED = 0.01  # below this share of the first epoch's loss, there is nothing left to learn


def find_symptoms(training: Training, targets: np.ndarray, patience: int, class_names: list[str]) -> list[str]:
    """Return what looks wrong, in a few words each; empty if nothing does.

    targets: [rows, …] of the validation split, int64 for classes; patience: epochs within which a loss should move;
    class_names: empty if the targets are not classes, or classes without names.
    """
    found = check_movement(training.history, patience)
    if targets.dtype == np.int64:
        return found + check_classes(training.best_outputs, targets, class_names)
    return found + check_values(training.best_outputs, targets)


def check_movement(history: list[Epoch], patience: int) -> list[str]:
    """Report a training loss that has not moved in the last `patience` epochs."""
    losses = np.array([epoch.train_loss for epoch in history])
    last = losses[-patience - 1 :]
    if len(last) <= patience or losses[-1] <= LEARNED * losses[0] or np.ptp(last) > STILL * last.mean():
        return []
    return [f"the training loss has not moved from {losses[-1]:.4g} in {patience} epochs"]


def check_classes(outputs: Tensor, targets: np.ndarray, class_names: list[str]) -> list[str]:
    """Report classes that are never predicted, and an accuracy no better than that of the most frequent class.

    outputs: logits, `[…, classes]`; targets: `[…]`, the numbers of the true classes.
    """
    predicted, true = outputs.argmax(dim=-1).numpy().ravel(), targets.ravel()
    counts = np.bincount(true)
    never = [number for number in np.flatnonzero(counts) if number not in predicted]
    names = [class_names[number] if class_names else str(number) for number in never]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    found = [f"never predicted in validation: {', '.join(names[:NAMED])}{more}"] if names else []
    accuracy, majority = (predicted == true).mean(), counts.max() / len(true)
    if accuracy < majority:
        found.append(f"validation accuracy {accuracy:.4f} is below the most frequent class's share, {majority:.4f}")
    return found


def check_values(outputs: Tensor, targets: np.ndarray) -> list[str]:
    """Report predictions that are further off than the targets' mean; both `[…]` float32."""
    error, spread = float(((outputs.numpy() - targets) ** 2).mean()), float(targets.var())
    if error <= spread:
        return []
    return [f"validation error {error:.4g} is above {spread:.4g}, the variance of what is to be predicted"]
