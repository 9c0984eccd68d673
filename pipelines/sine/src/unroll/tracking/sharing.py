"""A store that several machines share: whether it is one, its clock, and writing what others write at the same time."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import requests

SECONDS_TO_ANSWER = 3


def is_server(uri: str) -> bool:
    """Whether the store is a server, rather than a database that is opened directly."""
    return uri.startswith(("http://", "https://"))


def read_clock(uri: str) -> float:
    """Return the seconds since 1970: by a server's clock, which is the same for all machines, or else by our own.

    Raises:
        requests.RequestException: the server does not answer. MLflow itself would silently retry for minutes.
    """
    if is_server(uri):
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER)
        if told := answer.headers.get("Date"):
            return parsedate_to_datetime(told).timestamp()
    return time.time()


def insert(write: Callable[..., object], *arguments: object) -> None:
    """Write to the store; again if that fails because somebody else has just inserted the same row."""
    from mlflow.exceptions import MlflowException

    try:
        write(*arguments)
    except MlflowException as error:
        if error.error_code != "BAD_REQUEST":  # as MLflow calls a broken constraint of its database
            raise
        write(*arguments)
