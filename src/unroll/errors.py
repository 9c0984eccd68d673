"""Errors that a person can act on, told in one line."""

import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import NoReturn

_USER = re.compile(r"(\w:/+)(.*)@([^\s'\"]*)", re.DOTALL)
_QUERY = re.compile(r"(\w:/+[^\s'\"?]*\?)[^\s'\"]+")


class InputError(Exception):
    """Something the user gave (a file, a column, a parameter) is not what was expected.

    The message is one line that names the thing, the value found and what was expected. No password stands in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(hide_password(message))


def hide_password(text: str) -> str:
    """Return an address, or a text that holds some, without the users, passwords and queries in them.

    A password may hold any character, an @ or a space too: what might be one is hidden, if in doubt too much.
    """
    return _QUERY.sub(r"\1…", _USER.sub(_hide_user, text))


def _hide_user(found: re.Match[str]) -> str:
    # A question mark before the @ may be of the password, or begin a query that holds the @.
    return f"{found[1]}…" if "?" in found[2] else f"{found[1]}…@{found[3]}"


def exit_with_message(error: InputError) -> NoReturn:
    """Print the message to standard error and exit with code 1, without a traceback."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    raise SystemExit(1)


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's main function; a wrong input ends in one line, a bug in its traceback.

    A request to terminate ends it as Ctrl-C does, so that nothing is left half-written or marked as running.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _check_room()
        main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except InputError as error:
        if os.environ.get("UNROLL_DEBUG"):
            raise
        exit_with_message(error)


def _check_room() -> None:
    """Raise InputError if no temporary file can be written: libraries would tell of it in long tracebacks."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise InputError(f"{error.strerror}: make room there, or set TMPDIR to a folder that has some") from None
