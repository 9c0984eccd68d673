"""Tables with a JSON object on each line (jsonl): read in chunks, with every value as text."""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pandas as pd

from unroll.base.errors import InputError, make_printable
from unroll.data.decoding import check_decoded, decode_lines, make_chunk
from unroll.data.unpack import group_rows, open_unpacked


def read_objects(path: Path, required: Sequence[str], with_others: bool, encoding: str) -> Iterator[pd.DataFrame]:
    """Yield chunks with the required fields as columns; with_others: with all fields of the first object.

    Values that are no texts are written as JSON has them: 1, true. Null is a missing value, and so is what some
    programs write for one, NaN. A field that stands twice in an object has its last value.

    Raises:
        InputError: a line is too long or is no JSON object, lacks a required field, has a list or an object in one, or,
            with others, has a field that the first line lacks.
    """
    with open_unpacked(path) as file:
        objects = _parse_lines(path, file, encoding)
        names = list(dict.fromkeys(required))
        if with_others:
            first = list(islice(objects, 1))
            names = [name for _, fields in first for name in fields]
            objects = chain(first, objects)
        rows = (_choose_values(fields, names, required, with_others, place) for place, fields in objects)
        for chunk in group_rows(rows):
            yield make_chunk(chunk, names)


def _parse_lines(path: Path, unpacked: io.BufferedIOBase, encoding: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the object of each line that is not blank, and where it stands."""
    counter, lines = decode_lines(path, unpacked, encoding, "expected an object on each line")
    for number, line in enumerate(lines, start=1):
        counter.size = 0
        if line.strip():
            check_decoded(path, f"line {number}", (line,), encoding)
            place = f"{path}, line {number}"
            yield place, _parse_object(line, place)


def _parse_object(line: str, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line, parse_constant=lambda name: None)
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InputError(f"{place} has half a pair of surrogates, \\ud800 to \\udfff: expected both") from None
    except ValueError as error:  # also an integer of thousands of digits
        reason = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise InputError(f"{place} is not JSON ({reason}): expected an object on each line") from None
    except RecursionError:
        raise InputError(f"{place} is not JSON: lists or objects are nested too deep") from None
    if not isinstance(fields, dict):
        raise InputError(f"{place} is no object: expected one on each line, with fields and their values in braces")
    return fields


def _choose_values(
    fields: dict[str, Any], names: Sequence[str], required: Sequence[str], with_others: bool, place: str
) -> list[str]:
    missing = next((name for name in required if name not in fields), None)
    if missing is not None:
        found = ", ".join(map(make_printable, fields)) or "none"
        raise InputError(f"{place} has no field {missing!r}: its fields are {found}")
    more = next((name for name in fields if name not in names), None) if with_others else None
    if more is not None:
        raise InputError(f"{place} has a field {more!r} that the first line lacks: expected no others than there")
    return [_write_out(fields.get(name), name, name in required, place) for name in names]


def _write_out(value: Any, name: str, required: bool, place: str) -> str:
    if required and isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        raise InputError(f"{place}: field {name!r} is {kind}: expected a text, a number, true, false or null")
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
