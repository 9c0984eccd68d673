"""From a table of texts to a table with their predictions."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from unroll.base.errors import InputError, make_printable
from unroll.base.files import replace_when_done
from unroll.data.tables import read_table
from unroll.inference.classifier import Classifier
from unroll.params.encodings import EXPECTED, find_codec


def predict_table(classifier: Classifier, source: Path, column: str, output: Path, encoding: str = "utf-8") -> None:
    """Write the table with its predictions, a chunk of rows at a time, and print the number of rows.

    Raises:
        InputError: the table cannot be read, lacks the column, or has one that the output needs; or it is the output;
            or there is no such encoding.
    """
    codec = find_codec(encoding)
    if codec is None:
        raise InputError(f"--encoding {encoding}: expected {EXPECTED}")
    if output.suffix != ".csv":
        raise InputError(f"--output {output}: expected a name that ends in .csv")
    if output.exists() and source.exists() and output.samefile(source):
        raise InputError(f"--output {output} is the input: expected another file")
    rows, empty = 0, 0
    with replace_when_done(output) as temporary, tqdm(unit=" rows", desc="predict", disable=None) as progress:
        for chunk in read_table(source, (column,), encoding=codec):
            predictions = classifier.tabulate(chunk[column].tolist())
            _refuse_clash(source, chunk, predictions)
            table = chunk.join(predictions)
            table.to_csv(temporary, mode="a", header=rows == 0, index=False, float_format="%.6f", lineterminator="\n")
            rows += len(table)
            empty += int((predictions["prediction"] == "").sum())
            progress.update(len(table))
    print(f"{rows:,} rows written to {make_printable(str(output))}")
    if empty:
        print(f"{empty:,} of them have no text: their predictions are left empty")


def _refuse_clash(source: Path, table: pd.DataFrame, predictions: pd.DataFrame) -> None:
    clash = [name for name in predictions.columns if name in table.columns]
    if clash:
        raise InputError(f"{source} has a column {clash[0]!r} already, which the output needs: rename it")
