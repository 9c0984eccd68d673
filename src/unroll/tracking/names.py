"""The names of the metrics in MLflow: its pages group them by the part before the slash."""

from typing import Any


def name_epoch(epoch: dict[str, float]) -> dict[str, float]:
    """Name the figures of an epoch, with the digits of metrics/plots/history.csv: `curve/train_loss`, …

    The group comes early in the alphabet, so that MLflow's page of charts shows the curves before the scores.
    """
    return {f"curve/{name}": float(f"{value:.6g}") for name, value in epoch.items() if name != "epoch"}


def name_layers(layers: dict[str, float]) -> dict[str, float]:
    """Name the gradient's norm for each weight: `gradient/encoder.layers.weight_hh_l0`, …"""
    return {f"gradient/{name}": float(f"{norm:.6g}") for name, norm in layers.items()}


def name_gradient(epoch: int, norm: float) -> dict[str, float]:
    """Name the gradient's norm at a time step; logged with that step, it makes a chart over time for each epoch."""
    return {f"gradient by time/epoch {epoch:03d}": float(f"{norm:.6g}")}


def name_training(summary: dict[str, float]) -> dict[str, float]:
    """Name the figures of metrics/train.json, rounded as there: `best/val_macro_f1`, `best/epoch`, …, `parameters`."""
    best = {"best/epoch": summary["best_epoch"]}
    best |= {
        name: summary[name] for name in ("batch_size", "epochs", "parameters", "vector_coverage") if name in summary
    }
    return best | {f"best/{name}": round(value, 6) for name, value in summary.items() if name.startswith("val_")}


def name_scores(scores: dict[str, float], per_class: dict[str, Any]) -> dict[str, float]:
    """Name the figures of metrics/test.json and metrics/per_class.json, rounded as there.

    `test/macro_f1`, …; `test/macro_precision`, `test/weighted_f1`, …; `test/World/f1`, … Support is left out:
    it is a fact of the data, the same for every model. per_class: empty if it is no classification.
    """
    named = {f"test/{name}": value for name, value in scores.items()}
    for average in per_class.keys() & {"macro", "weighted"}:
        named |= {f"test/{average}_{name}": value for name, value in per_class[average].items()}
    for class_name, values in per_class.get("classes", {}).items():
        named |= {f"test/{_allow(class_name)}/{name}": value for name, value in values.items() if name != "support"}
    return {name: round(value, 6) for name, value in named.items()}


def name_baseline(scores: dict[str, float], per_class: dict[str, Any]) -> dict[str, float]:
    """Name the figures of metrics/baseline.json and metrics/baseline_per_class.json as a network's are named."""
    of_fitting = ("c", "temperature", "val_macro_f1", "parameters")
    tested = {name: value for name, value in scores.items() if name not in of_fitting}
    fitted = {"best/val_macro_f1": round(scores["val_macro_f1"], 6), "parameters": scores["parameters"]}
    return name_scores(tested, per_class) | fitted


def _allow(name: str) -> str:
    """Replace what MLflow does not allow in a metric's name: a user's classes may have any names.

    To MLflow a name is also a path, and must be in its shortest form.
    """
    parts = "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name).split("/")
    return "/".join("_" if part in ("", ".", "..") else part for part in parts)
