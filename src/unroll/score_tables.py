"""Scores as tables, of which DVC draws its plots."""

from pathlib import Path

import numpy as np
import pandas as pd

from unroll.files import replace_when_done


def tabulate_classes(per_class: dict) -> pd.DataFrame:
    """Return a row for each class."""
    return pd.DataFrame.from_dict(per_class["classes"], orient="index").rename_axis("class").reset_index()


def tabulate_predictions(labels: np.ndarray, predicted: np.ndarray, class_names: list[str]) -> pd.DataFrame:
    """Return the actual and the predicted class of each row, of which DVC makes the confusion matrix."""
    names = np.array(class_names, dtype=object)
    return pd.DataFrame({"actual": names[labels], "predicted": names[predicted]})


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, with the same bytes for the same content."""
    with replace_when_done(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
