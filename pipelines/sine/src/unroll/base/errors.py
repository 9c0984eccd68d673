"""Errors that a person can act on, each in one line."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

DEBUG = "UNROLL_DEBUG"  # an environment variable; if it is set, every error ends in a traceback
MOST_CHARACTERS = 1000  # of a message, which may quote what it was given
# Control characters: they move a terminal's cursor, change colours, end lines or reverse text. And lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_USER = re.compile(r"(\w:/+)(.*)@([^\s'\"]*)", re.DOTALL)
_QUERY = re.compile(r"(\w:/+[^\s'\"?]*\?)[^\s'\"]+")


class InputError(Exception):
    """Something the user gave (a file, a column, a parameter) is not what was expected.

    The message is one line that names the thing, the value found and what was expected. It shows no password.
    """

    def __init__(self, message: str) -> None:
        super().__init__(hide_password(message))


def explain_missing(path: Path) -> InputError:
    """Return the error for an output of the pipeline that is not there."""
    return InputError(f"{path} is missing: `dvc repro` makes it, `dvc pull` fetches it")


def hide_password(text: str) -> str:
    """Return an address, or a text with addresses in it, without users, passwords and queries.

    A password may hold any character, even an @ or a space. If in doubt, too much is hidden.
    """
    return _QUERY.sub(r"\1…", _USER.sub(_hide_user, text))


def _hide_user(found: re.Match[str]) -> str:
    # A question mark before the @ may be part of the password, or begin a query that holds the @.
    return f"{found[1]}…" if "?" in found[2] else f"{found[1]}…@{found[3]}"


def make_printable(text: str) -> str:
    """Escape the characters that must not reach a terminal, as Python would: ESC becomes `\\x1b`."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def exit_with_message(message: str) -> NoReturn:
    """Print the message to standard error as one line, and exit with code 1."""
    line = make_printable(" ".join(message.split()))
    if len(line) > MOST_CHARACTERS:
        line = f"{line[: MOST_CHARACTERS - 203]} … {line[-200:]}"
    sys.stdout.flush()  # so that the order is right where both go to one file
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(1)


@contextmanager
def end_in_one_line(with_bugs: bool) -> Iterator[None]:
    """If the block fails, end the process with one line; with_bugs: for bugs, too. With `DEBUG`, show the traceback."""
    try:
        yield
    except Exception as error:
        message = _describe(error)
        if os.environ.get(DEBUG) or not (message or with_bugs):
            raise
        bug = f"this is a bug: {type(error).__name__}: {error}; run again with --debug to see where"
        exit_with_message(message or bug)


def _describe(error: Exception) -> str | None:
    """Return the message of an error that is no bug: a wrong input, or something the machine lacks or forbids."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) if isinstance(error, InputError) else None
