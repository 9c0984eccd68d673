"""Where MLflow keeps the runs, how to reach it, and how to tell that it cannot be reached."""

import logging
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import requests
from filelock import FileLock

from unroll.base.errors import InputError, hide_password
from unroll.base.files import find_root

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

PROCESS = "process"  # the tag that tells which process writes a run
FAILURE = "failure"  # the tag that tells why a run did not end well
SECONDS_TO_ANSWER = 3
# What MLflow reads in its environment; whoever has set one of these keeps it.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a run needs no network, and tells nobody
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # By default a server that went away is asked for minutes, without a word.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class StoreError(Exception):
    """MLflow's store did not do what it was asked; the message says why."""


@dataclass(frozen=True)
class Store:
    """An experiment in MLflow's store."""

    client: "MlflowClient"
    uri: str
    experiment_id: str
    lock: FileLock  # held by whoever changes what other processes of this repository change too


def connect(experiment: str) -> Store:
    """Return the experiment's store, creating store and experiment where they are not there yet.

    The store is MLFLOW_TRACKING_URI, or else a SQLite file and an artifact folder in the repository's root: also
    when DVC runs the experiment in a temporary directory, which would take them along when it goes. Runs whose
    process on this machine has ended without a word are marked as killed.

    Raises:
        InputError: the store cannot be reached or used, or the experiment was deleted in it.
    """
    root = find_root()
    uri = find_tracking_uri(root)
    _check_server(uri)
    os.environ |= SETTINGS | os.environ  # before the import, which reads some
    from mlflow import MlflowClient

    _quieten_mlflow()  # after the import, which sets levels of its own
    lock = FileLock(root / ".mlflow.lock")
    # Parallel first runs would race to create the tables, and to create the experiment.
    with lock, require_store(uri):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        found = _find_or_create(client, experiment, root, uri)
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"tracking.experiment = {experiment!r} is deleted in {uri}: restore it, or choose another name"
            )
        _mark_dead_runs(client, found.experiment_id)
    return Store(client, uri, found.experiment_id, lock)


@contextmanager
def require_store(uri: str) -> Iterator[None]:
    """Stop with one clear line when the store fails; for what can be done again by running the stage again."""
    try:
        with catch_store_errors():
            yield
    except StoreError as error:
        raise _explain(uri, error) from None


@contextmanager
def catch_store_errors() -> Iterator[None]:
    """Turn whatever MLflow raises when its database, server or artifact folder fails into a StoreError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError  # MLflow wraps those of its queries, but not those of connecting

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


def is_server(uri: str) -> bool:
    """Whether the store is a server, rather than a database that is opened directly."""
    return uri.startswith(("http://", "https://"))


def describe_process() -> str:
    """Return a text that tells this process from every other one of any machine: host, process id, start."""
    return f"{socket.gethostname()} {os.getpid()} {_find_start(psutil.Process()):.0f}"


def _find_reason(error: BaseException) -> str:
    """Return the first line that an error says; of SQLite's, not what MLflow and SQLAlchemy say around it."""
    cause = error
    while cause.__cause__ and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__
    told = hide_password(str(cause if isinstance(cause, sqlite3.Error) else error))
    return told.splitlines()[0][:200] if told else type(error).__name__


def _local_uri(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"


def _check_server(uri: str) -> None:
    """Raise InputError if nothing answers: MLflow itself would ask again and again, for minutes and without a word."""
    if not is_server(uri):
        return
    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER)
    except requests.RequestException as error:
        raise _explain(uri, StoreError(type(error).__name__)) from None


def _explain(uri: str, error: StoreError) -> InputError:
    start = "start the server" if is_server(uri) else "mend it"
    return InputError(f"MLflow's store {uri} cannot be used: {start}, or set tracking.enabled=false ({error})")


def _find_or_create(client: "MlflowClient", name: str, root: Path, uri: str) -> "Experiment":
    found = client.get_experiment_by_name(name)
    if found:
        return found
    location = find_artifact_folder(root).as_uri() if uri == _local_uri(root) else None
    return client.get_experiment(client.create_experiment(name, artifact_location=location))


def _mark_dead_runs(client: "MlflowClient", experiment_id: str) -> None:
    """Mark the runs of this machine that nobody writes any more, because their process was killed."""
    from mlflow.entities import RunStatus

    for run in client.search_runs([experiment_id], f"attributes.status = '{RunStatus.to_string(RunStatus.RUNNING)}'"):
        host, _, process = run.data.tags.get(PROCESS, "").partition(" ")
        if host == socket.gethostname() and not _is_alive(process):
            client.set_tag(run.info.run_id, FAILURE, "the process ended before it could say why")
            client.set_terminated(run.info.run_id, "KILLED")


def _is_alive(process: str) -> bool:
    process_id, started = process.split()
    try:
        found = psutil.Process(int(process_id))
        # Another process may have been given the same id since.
        return found.status() != psutil.STATUS_ZOMBIE and abs(_find_start(found) - float(started)) < 2
    except psutil.NoSuchProcess:
        return False


def _find_start(process: psutil.Process) -> float:
    """Return when the process started, in seconds since the machine did: both are told anew when the clock is set."""
    return process.create_time() - psutil.boot_time()


def _quieten_mlflow() -> None:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # its news are about itself, not about the user's run
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # raised as well, and then told in one line
