"""The names of the metrics in MLflow: its pages group them by the part before the slash."""

import hashlib
import re
from typing import Any

LONGEST = 235  # of a class in MLflow's 250 characters, between "test/" and "/precision"
# What MLflow does not allow, and an underscore that would look like the beginning of an escape.
_ESCAPED = re.compile(r"[^\w\-. :/]|_(?=x[0-9a-f])")
_ESCAPED_OF_NO_PATH = re.compile(r"[^\w\- :]|_(?=x[0-9a-f])")


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
    """Write a class's name as MLflow allows it, so that distinct names stay distinct: `C++` is `C_x2b__x2b_`.

    As in Excel's files (ECMA-376), `_x2b_` is the character of that hexadecimal number. To MLflow a name is also a
    path, and must be in its shortest form; in others, slashes and full stops are written so, too. What is too long
    ends in a part of the name's SHA-256.
    """
    is_path = {"", ".", ".."}.isdisjoint(name.split("/"))
    pattern = _ESCAPED if is_path else _ESCAPED_OF_NO_PATH
    allowed = pattern.sub(lambda found: f"_x{ord(found[0]):x}_", name) or "_"
    if len(allowed) <= LONGEST:
        return allowed
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{allowed[: LONGEST - len(digest) - 1]}_{digest}"
