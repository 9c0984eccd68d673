"""Errors that a person can act on, told in one line."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

DEBUG = "UNROLL_DEBUG"  # a variable of the environment; if it is set, whatever goes wrong ends in a traceback
MOST_CHARACTERS = 1000  # of a message, which may quote what it was given
# What moves a terminal's cursor or changes its colours, ends a line, turns text around, or is no character at all.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_USER = re.compile(r"(\w:/+)(.*)@([^\s'\"]*)", re.DOTALL)
_QUERY = re.compile(r"(\w:/+[^\s'\"?]*\?)[^\s'\"]+")


class InputError(Exception):
    """Something the user gave (a file, a column, a parameter) is not what was expected.

    The message is one line that names the thing, the value found and what was expected. No password stands in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(hide_password(message))


def explain_missing(path: Path) -> InputError:
    """Return the error for an output of the pipeline that is not there."""
    return InputError(f"{path} is missing: `dvc repro` makes it, `dvc pull` fetches it")


def hide_password(text: str) -> str:
    """Return an address, or a text that holds some, without the users, passwords and queries in them.

    A password may hold any character, an @ or a space too: what might be one is hidden, if in doubt too much.
    """
    return _QUERY.sub(r"\1…", _USER.sub(_hide_user, text))


def _hide_user(found: re.Match[str]) -> str:
    # A question mark before the @ may be of the password, or begin a query that holds the @.
    return f"{found[1]}…" if "?" in found[2] else f"{found[1]}…@{found[3]}"


def make_printable(text: str) -> str:
    """Write out, as Python would, the characters that must not reach a terminal: ESC becomes `\\x1b`."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def exit_with_message(message: str) -> NoReturn:
    """Print the message to standard error as one line, and exit with code 1."""
    line = make_printable(" ".join(message.split()))
    if len(line) > MOST_CHARACTERS:
        line = f"{line[: MOST_CHARACTERS - 203]} … {line[-200:]}"
    sys.stdout.flush()  # where both go to one file, what was printed before stands before
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(1)


@contextmanager
def end_in_one_line(with_bugs: bool) -> Iterator[None]:
    """End the process in one line if the block fails, with_bugs: also where that is a bug; with `DEBUG`, never."""
    try:
        yield
    except Exception as error:
        message = _describe(error)
        if os.environ.get(DEBUG) or not (message or with_bugs):
            raise
        bug = f"this is a bug: {type(error).__name__}: {error}; run again with --debug to see where"
        exit_with_message(message or bug)


def _describe(error: Exception) -> str | None:
    """Return what is told of an error that is no bug: a wrong input, or what the machine does not have or allow."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) if isinstance(error, InputError) else None
