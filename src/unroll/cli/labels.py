"""unroll labels: the training rows whose label is probably wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unroll.base.errors import InputError, explain_missing, make_printable
from unroll.cli.console import Format, print_table

if TYPE_CHECKING:
    import pandas as pd


TRAIN = Path("data/splits/train.parquet")
SEED = 1


def labels(
    top: Annotated[int, typer.Option(help="How many rows are printed.", min=1)] = 20,
    output: Annotated[Path | None, typer.Option(help="CSV file to write: all suspected rows.")] = None,
    folds: Annotated[int, typer.Option(help="Into how many parts the rows are dealt.", min=2)] = 5,
) -> None:
    """List the training rows whose label is probably wrong, the most doubtful first.

    The linear baseline says how probable each row's label is, after learning from the other rows. Validation and test
    rows are never read. `row` counts the rows of the file in data/raw/, from 1.
    """
    if output and output.suffix != ".csv":
        raise InputError(f"--output {output}: expected a name that ends in .csv")
    rows, table = _find_suspects(folds)
    if len(table):
        shown = table.head(top).itertuples(index=False)
        cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in shown]
        print_table(list(table.columns), cells, Format.TABLE)
    print(f"{len(table):,} of {rows:,} training rows may have a wrong label")
    if output:
        from unroll.base.files import write_table

        write_table(output, table)
        print(f"{len(table):,} rows written to {make_printable(str(output))}")


def _find_suspects(folds: int) -> tuple[int, "pd.DataFrame"]:
    """Return how many training rows there are, and a table of the suspected ones."""
    import numpy as np
    import pyarrow.parquet as pq

    from unroll.look.labels import check_classes, find_suspects
    from unroll.params.texts import read_text_params

    params = read_text_params()
    if not TRAIN.is_file():
        raise explain_missing(TRAIN)
    rows = pq.read_table(TRAIN, columns=["part", "row", "label", "text"]).to_pandas()
    names, numbers = np.unique(rows["label"].to_numpy(dtype=object), return_inverse=True)
    check_classes(numbers, names.tolist(), folds)
    found = find_suspects(rows["text"].tolist(), numbers, params.tokenize.max_tokens, folds, SEED)
    table = rows.iloc[found.rows].rename(columns={"label": "given"})
    table.insert(3, "p_given", found.given)
    table.insert(4, "suggested", names[found.suggested])
    table.insert(5, "p_suggested", found.better)
    return len(rows), table
