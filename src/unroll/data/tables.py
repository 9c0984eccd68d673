"""Tables as people keep them, csv, tsv or parquet: read in chunks, with every cell as text."""

import csv
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from unroll.base.errors import InputError, make_printable
from unroll.data.unpack import Bounded, check_unpacked, explain_read_errors, limit_unpacked, open_unpacked

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
CHUNK_ROWS = 20_000
LIMIT_BYTES_OF_A_CHUNK = 2**30


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


def read_table(path: Path, required: tuple[str, ...], header: tuple[str, ...] | None = None) -> Iterator[pd.DataFrame]:
    """Yield a csv, tsv or parquet file in chunks, every cell as a string, missing cells as empty strings.

    Raises:
        InputError: the file is missing, empty, truncated, not UTF-8 or malformed, lacks a required column, or unpacks
            to more than `limit_unpacked`.
    """
    suffix = find_suffix(str(path))
    chunks = _read_parquet(path) if suffix == ".parquet" else _read_delimited(path, header)
    found = False
    for chunk in _explain_errors(path, chunks, header):
        for column in required:
            count = list(chunk.columns).count(column)
            if count == 0:
                columns = ", ".join(map(make_printable, chunk.columns))
                raise InputError(f"{path} has no column {column!r}: its columns are {columns}")
            if count > 1:
                raise InputError(f"{path} has {count} columns {column!r}: expected one")
        found = found or len(chunk) > 0
        yield chunk
    if not found:
        raise InputError(f"{path} has no rows: expected a table with text and labels")


def _read_delimited(path: Path, header: tuple[str, ...] | None) -> Iterator[pd.DataFrame]:
    complaint = (
        f"{path} has more than {LIMIT_BYTES_OF_A_CHUNK:,} bytes in a few thousand rows: is there a quotation mark "
        "without its other half?"
    )
    with open_unpacked(path) as unpacked, warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows that are longer than the header
        file = Bounded(unpacked, LIMIT_BYTES_OF_A_CHUNK, complaint)
        reader = pd.read_csv(
            io.BufferedReader(file),
            sep=_separator(path),
            header=None,  # pandas would give columns of one name other names
            names=list(header) if header else None,
            index_col=False,
            dtype=str,
            na_filter=False,
            encoding="utf-8",
            chunksize=CHUNK_ROWS,
        )
        with reader:
            for chunk in reader:
                file.size = 0
                chunk = chunk.fillna("").reset_index(drop=True)
                if header is None:
                    header, chunk = tuple(chunk.iloc[0]), chunk[1:].reset_index(drop=True)
                yield chunk.set_axis(list(header), axis=1)


def _read_parquet(path: Path) -> Iterator[pd.DataFrame]:
    # Arrow's buffer in advance would in the end hold the whole file.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        limit, size = limit_unpacked(path), 0
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            columns = [_write_out(column).fill_null("") for column in batch.columns]
            size += sum(column.nbytes for column in columns)
            check_unpacked(path, size, limit)
            yield pa.table(columns, names=batch.schema.names).to_pandas().astype(str)


def _write_out(column: pa.Array) -> pa.Array:
    """Return the column as text. Lists and the like, which Arrow does not turn into text, as Python writes them."""
    if pa.types.is_nested(column.type):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    column = column.cast(pa.string())
    column.validate(full=True)  # a parquet file may call any bytes text
    return column


def _explain_errors(
    path: Path, chunks: Iterator[pd.DataFrame], header: tuple[str, ...] | None
) -> Iterator[pd.DataFrame]:
    try:
        with explain_read_errors(path):
            yield from chunks
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty: expected a table with text and labels") from None
    except UnicodeDecodeError:
        raise InputError(_describe_undecodable(path, header)) from None
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise InputError(f"{path} is not a well-formed table: {reason}") from None
    except pd.errors.ParserWarning:
        raise InputError(f"{path} is not a well-formed table: a row has more fields than there are columns") from None
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read as a parquet table of text: {error}") from None


def _describe_undecodable(path: Path, header: tuple[str, ...] | None) -> str:
    """Find the first row that is not UTF-8; only run once a reader has failed, so it may be slow.

    Rows count from 1 as everywhere; where the file has a header row of its own, that is row 0.
    """
    # Undecodable bytes become lone surrogates, which can be found after the rows have been told apart.
    with (
        open_unpacked(path) as file,
        io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="") as text,
    ):
        lines = iter(lambda: text.readline(2**20), "")  # the parts of one that does not end are no rows, but bounded
        rows = enumerate(csv.reader(lines, delimiter=_separator(path)), start=1 if header else 0)
        try:
            for number, fields in rows:
                bad = next((character for character in "".join(fields) if "\udc80" <= character <= "\udcff"), None)
                if bad:
                    place = f"row {number}" if number else "header row"
                    return f"{path}, {place}: byte 0x{ord(bad) - 0xDC00:02x} is not UTF-8; save the file as UTF-8"
        except csv.Error:  # not even a table: a field without end, say
            pass
    return f"{path} is not UTF-8; save the file as UTF-8"


def _separator(path: Path) -> str:
    return "\t" if find_suffix(str(path)).startswith(".tsv") else ","
