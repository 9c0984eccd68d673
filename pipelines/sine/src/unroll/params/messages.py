"""Error messages: what pydantic finds wrong with a parameter file or models/config.json, in the file's own words."""

import reprlib
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def explain_errors(error: ValidationError, schema: type[BaseModel]) -> str:
    """Put the first of the errors that pydantic found into the words of params.yaml."""
    errors = error.errors()
    names = [_name(found, schema) for found in errors]
    more = f" (and {len(set(names)) - 1} more)" if len(set(names)) > 1 else ""
    # A value that may have several types has an error for each, with the type's name after its own.
    rest = [_expect(found) for found, name in zip(errors[1:], names[1:], strict=True) if name == names[0]]
    return " or ".join([_explain(errors[0], names[0], schema), *rest]) + more


class _Excerpt(reprlib.Repr):
    """Values as Python writes them, with long and deep ones cut: YAML aliases can make a value of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 200
        self.maxlevel = 3

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() < 200 else f"{hex(value)[:40]}..."  # too long for decimals, perhaps

    def repr_ordereddict(self, value: dict[Any, Any], level: int) -> str:
        return self.repr_dict(value, level)


def _name(error: ErrorDetails, schema: type[BaseModel]) -> str:
    """Return the parameter that a pydantic error is about."""
    model, parts = schema, []
    for key in error["loc"]:
        parts.append(str(key))
        field = model.model_fields.get(str(key))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            break
        model = field.annotation
    return ".".join(parts)


def _explain(error: ErrorDetails, name: str, schema: type[BaseModel]) -> str:
    value = _Excerpt().repr(error["input"])
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] in ("extra_forbidden", "invalid_key"):
        known = _known_keys(schema, error["loc"][:-1])
        close = get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return f"{name} is not a parameter{hint}: expected one of {', '.join(known)}"
    if error["type"] == "value_error":  # raised by a validator, with a complete message
        return str(error["ctx"]["error"])
    if error["type"] == "credentials":
        where = "~/.netrc keeps user and password, or download the file and give its path"
        return f"{name} = {value} holds a user, a password or a key: expected an address without ({where})"
    if error["type"] == "address":
        return f"{name} = {value}: expected a path, or an address such as https://host/file.csv"
    if error["type"] == "path":
        return f"{name} = {value} is a path: {name.replace('url', 'file')} is for it, so that DVC notices its changes"
    if error["type"] == "no_path":
        return f"{name} = {value} is an address: {name.replace('file', 'url')} is for it"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"{name or 'the file'} = {value}: expected parameters in the form 'name: value'"
    if error["type"] == "string_pattern_mismatch":
        allowed = "a name that begins with a letter or a digit and is without / : ? and quotation marks"
        expected = allowed if name == "tracking.registered_model" else "64 hexadecimal digits"
        return f"{name} = {value}: expected {expected}"
    return f"{name} = {value}: expected {_expect(error)}"


def _expect(error: ErrorDetails) -> str:
    expected = error["msg"].removeprefix("Input should be ").removesuffix(", unable to interpret input")
    return expected.replace("a valid integer", "an integer").replace("a valid ", "a ")


def _known_keys(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    model = schema
    for key in location:
        model = model.model_fields[str(key)].annotation  # type: ignore[assignment]  # what holds a key is a section
    return list(model.model_fields)
