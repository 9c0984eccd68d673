"""Tables that commands print: for a terminal, as Markdown, or as comma-separated values."""

import csv
import re
import sys
from enum import StrEnum

from unroll.base.errors import make_printable

NUMBER = re.compile(r"[-+]?\d[\d.,]*( .*)?$|–?$")  # perhaps with a deviation or an interval; or a dash


class Format(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"


def print_table(columns: list[str], rows: list[list[str]], format: Format) -> None:
    """Print a table; columns of numbers are aligned to the right."""
    if format is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([columns, *rows])
        return
    columns, *rows = [[make_printable(cell) for cell in cells] for cells in (columns, *rows)]
    is_right = [all(NUMBER.match(cell) for cell in cells) for cells in zip(*rows, strict=True)] or [False] * len(
        columns
    )
    if format is Format.MARKDOWN:
        rule = ["---:" if right else "---" for right in is_right]
        for cells in (columns, rule, *rows):
            print(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name, right in zip(columns, is_right, strict=True):
        table.add_column(name, no_wrap=True, justify="right" if right else "left")
    for row in rows:
        table.add_row(*row)
    # A narrow terminal cuts cells; a file or pipe never does.
    Console(width=None if sys.stdout.isatty() else 1000, markup=False, highlight=False).print(table)
