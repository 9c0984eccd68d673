"""MLflow's store: where it is, how to reach it, and what to say if it cannot be reached."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from filelock import FileLock

from unroll.base.errors import InputError, hide_password
from unroll.base.files import find_root
from unroll.tracking.heartbeat import mark_dead_runs
from unroll.tracking.sharing import is_server, read_clock

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

# Environment variables for MLflow; values that are already set are kept.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a run needs no network, and reports to nobody
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # By default MLflow silently retries a lost server for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class StoreError(Exception):
    """MLflow's store failed; the message says why."""


@dataclass(frozen=True)
class Store:
    """An experiment in MLflow's store."""

    client: "MlflowClient"
    uri: str
    experiment_id: str


def connect(experiment: str) -> Store:
    """Return the experiment's store; create store and experiment if they do not exist.

    The store is MLFLOW_TRACKING_URI, or else a SQLite file and an artifact folder in the repository's root, even if DVC
    runs the experiment in a temporary directory, which is deleted afterwards. Runs whose process has died are marked as
    killed.

    Raises:
        InputError: the store cannot be reached or used, or the experiment was deleted there.
    """
    root = find_root()
    uri = find_tracking_uri(root)
    client, now = open_client(uri)
    with require_store(uri):
        found = _find_or_create(client, experiment, root, uri)
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"tracking.experiment = {experiment!r} is deleted in {uri}: restore it, or choose another name"
            )
        mark_dead_runs(client, found.experiment_id, now)
    return Store(client, uri, found.experiment_id)


def open_client(uri: str) -> "tuple[MlflowClient, float]":
    """Return a client for the store, and the time there, in seconds since 1970.

    Raises:
        InputError: the store cannot be reached or used.
    """
    try:
        now = read_clock(uri)
    except requests.RequestException as error:
        raise _explain(uri, StoreError(type(error).__name__)) from None
    os.environ |= SETTINGS | os.environ  # before the import, which reads some of them
    from mlflow import MlflowClient

    _quieten_mlflow()  # after the import, which sets log levels
    with require_store(uri), _lock_database(uri):
        return MlflowClient(tracking_uri=uri, registry_uri=uri), now


@contextmanager
def require_store(uri: str) -> Iterator[None]:
    """Turn failures of the store into one line, for work that running the stage again repeats."""
    try:
        with catch_store_errors():
            yield
    except StoreError as error:
        raise _explain(uri, error) from None


@contextmanager
def catch_store_errors() -> Iterator[None]:
    """Turn what MLflow raises if its database, server or artifact folder fails into a StoreError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError  # MLflow wraps those of queries, but not those of connecting

    try:
        yield
    except (MlflowException, SQLAlchemyError, requests.RequestException, OSError) as error:
        raise StoreError(_find_reason(error)) from error


def find_tracking_uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI if it is set, else the SQLite file in the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri(root)


def find_artifact_folder(root: Path) -> Path:
    """Return the folder of the artifacts that belong to the SQLite file."""
    return root / "mlartifacts"


def _find_reason(error: BaseException) -> str:
    """Return the first line of an error's message; for SQLite, without what MLflow and SQLAlchemy add."""
    cause = error
    while cause.__cause__ and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    told = hide_password(str(cause if isinstance(cause, sqlite3.Error) else error))
    return told.splitlines()[0][:200] if told else type(error).__name__


def _local_uri(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"


def _lock_database(uri: str) -> AbstractContextManager[object]:
    """Keep other processes of this machine from creating a SQLite database's tables at the same time."""
    from sqlalchemy.engine import make_url

    file = make_url(uri).database if uri.startswith("sqlite") else None
    return FileLock(f"{file}.lock") if file else nullcontext()


def _explain(uri: str, error: StoreError) -> InputError:
    start = "start the server" if is_server(uri) else "mend it"
    return InputError(f"MLflow's store {uri} cannot be used: {start}, or set tracking.enabled=false ({error})")


def _find_or_create(client: "MlflowClient", name: str, root: Path, uri: str) -> "Experiment":
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return found
    location = find_artifact_folder(root).as_uri() if uri == _local_uri(root) else None
    try:
        return client.get_experiment(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # somebody else has just created it
            return found
        raise


def _quieten_mlflow() -> None:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # its messages are about itself, not about the user's run
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # also raised, and then reported in one line
