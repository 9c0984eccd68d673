"""What MLflow calls the metrics: the part before the slash is the group that its pages show together."""

from typing import Any


def name_epoch(epoch: dict[str, float]) -> dict[str, float]:
    """Name the figures of an epoch, with the digits of metrics/plots/history.csv: `curve/train_loss`, …

    One group, and an early one in the alphabet: MLflow's page of charts then shows the curves before the scores.
    """
    return {f"curve/{name}": float(f"{value:.6g}") for name, value in epoch.items() if name != "epoch"}


def name_layers(layers: dict[str, float]) -> dict[str, float]:
    """Name the gradient's norm by the weights that it is of: `gradient/encoder.layers.weight_hh_l0`, …"""
    return {f"gradient/{name}": float(f"{norm:.6g}") for name, norm in layers.items()}


def name_gradient(epoch: int, norm: float) -> dict[str, float]:
    """Name the gradient's norm at a time step, which MLflow is told as its step: a chart over time for each epoch."""
    return {f"gradient by time/epoch {epoch:03d}": float(f"{norm:.6g}")}


def name_training(summary: dict[str, float]) -> dict[str, float]:
    """Name metrics/train.json, rounded as it is there: `best/val_macro_f1`, `best/epoch`, …, `parameters`."""
    best = {"best/epoch": summary["best_epoch"]}
    best |= {name: summary[name] for name in ("epochs", "parameters", "vector_coverage") if name in summary}
    return best | {f"best/{name}": round(value, 6) for name, value in summary.items() if name.startswith("val_")}


def name_scores(scores: dict[str, float], per_class: dict[str, Any]) -> dict[str, float]:
    """Name metrics/test.json and metrics/per_class.json, rounded as they are there.

    `test/macro_f1`, …; `test/macro_precision`, `test/weighted_f1`, …; `test/World/f1`, … The support of a class is
    a fact of the data, and the same for every model. per_class: empty for what is no classification.
    """
    named = {f"test/{name}": value for name, value in scores.items()}
    for average in per_class.keys() & {"macro", "weighted"}:
        named |= {f"test/{average}_{name}": value for name, value in per_class[average].items()}
    for class_name, values in per_class.get("classes", {}).items():
        named |= {f"test/{_allow(class_name)}/{name}": value for name, value in values.items() if name != "support"}
    return {name: round(value, 6) for name, value in named.items()}


def name_baseline(scores: dict[str, float], per_class: dict[str, Any]) -> dict[str, float]:
    """Name metrics/baseline.json and metrics/baseline_per_class.json as the same figures of a network are named."""
    of_fitting = ("c", "temperature", "val_macro_f1", "parameters")
    tested = {name: value for name, value in scores.items() if name not in of_fitting}
    fitted = {"best/val_macro_f1": round(scores["val_macro_f1"], 6), "parameters": scores["parameters"]}
    return name_scores(tested, per_class) | fitted


def _allow(name: str) -> str:
    """Replace what MLflow allows in no metric's name; classes of a user's own data may be named in any way.

    To MLflow a name is a path as well, and has to be the shortest one that leads there.
    """
    parts = "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name).split("/")
    return "/".join("_" if part in ("", ".", "..") else part for part in parts)
