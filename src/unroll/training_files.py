"""What a training leaves as files: its weights, its learning curves, its summary."""

import sys
from pathlib import Path

import pandas as pd
from safetensors.torch import save
from torch import Tensor

from unroll.files import replace_when_done
from unroll.progress import Training


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights as models/model.safetensors."""
    content = save(weights)
    with replace_when_done(path) as temporary:
        temporary.write_bytes(content)


def write_history(training: Training, path: Path) -> None:
    """Write the learning curves, one row for each epoch, as metrics/plots/history.csv."""
    table = pd.DataFrame([epoch.as_row() for epoch in training.history])
    with replace_when_done(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def summarize(training: Training, parameters: int, symptoms: list[str]) -> dict[str, int | float | str]:
    """Return what becomes metrics/train.json, with `warnings` if there are any; tell them too."""
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
