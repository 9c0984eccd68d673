"""Tables as people keep them, csv, tsv, jsonl or parquet: read in chunks, with every cell as text."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.base.errors import InputError, make_printable
from unroll.data.decoding import advise, check_decoded, decode_lines, make_chunk
from unroll.data.jsonl import read_objects
from unroll.data.unpack import (
    CHUNK_CHARACTERS,
    CHUNK_ROWS,
    check_unpacked,
    explain_read_errors,
    group_rows,
    limit_unpacked,
    open_unpacked,
)

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".parquet")
STEP_ROWS = 1000  # of parquet, at once: a repeated value takes no room in the file, but does in memory
_END = 'end"'  # a line of one field; inside quotation marks it would be another one


def find_suffix(location: str, suffixes: tuple[str, ...] = SUFFIXES) -> str:
    """Return the file format's suffix of a path or URL.

    Raises:
        InputError: the format is none of these.
    """
    name = unquote(urlsplit(location).path if "://" in location else location).lower()
    matches = [suffix for suffix in suffixes if name.endswith(suffix)]
    if not matches:
        raise InputError(f"{location}: the name's ending tells no known format: expected {', '.join(suffixes)}")
    return max(matches, key=len)


def read_table(
    path: Path,
    required: tuple[str, ...],
    header: tuple[str, ...] | None = None,
    with_others: bool = True,
    encoding: str = "utf-8",
) -> Iterator[pd.DataFrame]:
    """Yield a csv, tsv, jsonl or parquet file in chunks, every cell as a string, missing cells as empty strings.

    header: the columns' names, if a csv or tsv file has no row of them; with_others: also return the columns that are
    not required. Otherwise they are not even read. encoding: of all formats but parquet.

    Raises:
        InputError: the file is missing, empty, truncated, in another encoding or malformed, lacks a required column,
            has one of lists or records, or unpacks to more than `limit_unpacked`.
    """
    chosen = None if with_others else required
    suffix = find_suffix(str(path))
    if suffix == ".parquet":
        chunks = _read_parquet(path, required, chosen)
    elif suffix.startswith(".jsonl"):
        chunks = read_objects(path, required, with_others, encoding)
    else:
        chunks = _read_delimited(path, required, chosen, header, encoding)
    found = False
    for chunk in _explain_errors(path, chunks, encoding):
        if len(chunk):
            found = True
            yield chunk
    if not found:
        raise InputError(f"{path} has no rows: expected a table with text and labels")


def _check_columns(path: Path, names: Sequence[str], required: tuple[str, ...], separator: str | None = None) -> None:
    """Raise InputError unless each required column is there once."""
    for column in required:
        count = names.count(column)
        if count == 0:
            columns = ", ".join(map(make_printable, names)) or "none"
            hint = _guess_separator(names, column, separator) if separator else ""
            raise InputError(f"{path} has no column {column!r}: its columns are {columns}{hint}")
        if count > 1:
            raise InputError(f"{path} has {count} columns {column!r}: expected one")


def _guess_separator(names: Sequence[str], column: str, separator: str) -> str:
    """Return what to say if the column would be there with another separator."""
    line = separator.join(names)
    for other, name in SEPARATORS.items():
        if column in [part.strip(' "') for part in line.split(other)]:
            return f"; they seem to be separated by {name}, expected {SEPARATORS[separator]}"
    return ""


def _read_delimited(
    path: Path,
    required: tuple[str, ...],
    chosen: tuple[str, ...] | None,
    header: tuple[str, ...] | None,
    encoding: str,
) -> Iterator[pd.DataFrame]:
    with open_unpacked(path) as file:
        rows = _parse_rows(path, file, len(header) if header else None, encoding)
        if header is None:
            header = tuple(next(rows, ()))
            if not header:
                raise InputError(f"{path} is empty: expected a table with text and labels")
            check_decoded(path, "header row", header, encoding)
            if any("\0" in name for name in header):
                raise InputError(f"{path}, header row: there are NUL characters; {advise(path, encoding)}")
        _check_columns(path, header, required, _separator(path))
        places = range(len(header)) if chosen is None else [header.index(name) for name in dict.fromkeys(chosen)]
        names = [header[place] for place in places]
        first = 1
        for chunk in group_rows([row[place] for place in places] for row in rows):
            try:
                yield make_chunk(chunk, names)
            except UnicodeEncodeError:
                for number, row in enumerate(chunk, start=first):
                    check_decoded(path, f"row {number}", row, encoding)
                raise
            first += len(chunk)


def _parse_rows(path: Path, unpacked: io.BufferedIOBase, width: int | None, encoding: str) -> Iterator[list[str]]:
    """Yield the fields of each row that is not blank; missing fields are empty, undecodable bytes become surrogates.

    width: how many fields a row has; None: as many as the first one.
    """
    csv.field_size_limit(sys.maxsize)  # the limit of a row applies instead
    file, lines = decode_lines(path, unpacked, encoding, "is there a quotation mark without its other half?")
    reader = csv.reader(chain(lines, [_END]), delimiter=_separator(path))
    number, line, row = 0 if width is None else 1, 0, None
    for following in reader:
        file.size = 0
        if row and (len(row) > 1 or row[0].strip(" \t") or not row[0]):
            width = width or len(row)
            if len(row) > width:
                reason = f"Expected {width} fields in line {line}, saw {len(row)}"
                raise InputError(f"{path} is not a well-formed table: {reason}")
            yield row + [""] * (width - len(row))
            number += 1
        row, line = following, reader.line_num
    if row != [_END]:
        raise InputError(f"{path} is not a well-formed table: EOF inside string starting at row {number}")


def _read_parquet(path: Path, required: tuple[str, ...], chosen: tuple[str, ...] | None) -> Iterator[pd.DataFrame]:
    tables: list[pa.Table] = []
    rows, size = 0, 0
    for table in _read_steps(path, required, chosen):
        tables, rows, size = [*tables, table], rows + len(table), size + table.nbytes
        if rows >= CHUNK_ROWS or size >= CHUNK_CHARACTERS:
            yield pa.concat_tables(tables).to_pandas().astype(str)
            tables, rows, size = [], 0, 0
    if tables:
        yield pa.concat_tables(tables).to_pandas().astype(str)


def _read_steps(path: Path, required: tuple[str, ...], chosen: tuple[str, ...] | None) -> Iterator[pa.Table]:
    """Yield some rows at a time as text; the longer the rows, the fewer."""
    # With pre-buffering, Arrow would end up holding the whole file.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        _check_columns(path, file.schema_arrow.names, required)
        for name in required:
            type_ = file.schema_arrow.field(name).type
            if pa.types.is_nested(type_):
                kind = make_printable(str(type_))[:100]
                raise InputError(f"{path}: column {name!r} has values of type {kind}: expected texts or numbers")
        limit, size = limit_unpacked(path), 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            rows = max(1, min(STEP_ROWS, CHUNK_CHARACTERS * group.num_rows // max(group.total_byte_size, 1)))
            for batch in file.iter_batches(rows, row_groups=[number], columns=chosen and list(dict.fromkeys(chosen))):
                table = pa.table([_write_out(column).fill_null("") for column in batch.columns], batch.schema.names)
                size += table.nbytes
                check_unpacked(path, size, limit)
                yield table


def _write_out(column: pa.Array) -> pa.Array:
    """Return the column as text; nested values, which Arrow does not turn into text, as Python writes them."""
    if pa.types.is_nested(column.type):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_floating(column.type):  # pandas marks by NaN what is missing
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    column = column.cast(pa.string())
    column.validate(full=True)  # a parquet file may call any bytes text
    return column


def _explain_errors(path: Path, chunks: Iterator[pd.DataFrame], encoding: str) -> Iterator[pd.DataFrame]:
    try:
        with explain_read_errors(path):
            yield from chunks
    except UnicodeError as error:  # such as half a character of UTF-16 at the end
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise InputError(f"{path} is not {encoding.upper()} ({reason}); {advise(path, encoding)}") from None
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read as a parquet table of text: {error}") from None


def _separator(path: Path) -> str:
    return "\t" if find_suffix(str(path)).startswith(".tsv") else ","
