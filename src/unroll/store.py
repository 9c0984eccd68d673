"""Where MLflow keeps the runs, and how to reach it."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from unroll.errors import InputError
from unroll.files import find_root

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow import MlflowClient


def connect(experiment: str) -> "tuple[MlflowClient, str]":
    """Return a client and the id of the experiment, creating store and experiment where they are not there yet.

    The store is MLFLOW_TRACKING_URI, or else a SQLite file and an artifact folder in the repository's root: also
    when DVC runs the experiment in a temporary directory, which would take them along when it goes.

    Raises:
        InputError: the store cannot be reached or used, or the experiment was deleted in it.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    _quieten_mlflow()  # after the import, which sets levels of its own
    root = find_root()
    uri = find_tracking_uri(root)
    # Parallel first runs would race to create the tables, and to create the experiment.
    with FileLock(root / ".mlflow.lock"):
        try:
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            found = client.get_experiment_by_name(experiment)
            if not found:
                location = find_artifact_folder(root).as_uri() if uri == _local_uri(root) else None
                return client, client.create_experiment(experiment, artifact_location=location)
        except MlflowException as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(
                f"MLflow's store {uri} cannot be used: start or mend it, or set tracking.enabled=false ({reason})"
            ) from None
    if found.lifecycle_stage == "deleted":
        raise InputError(
            f"tracking.experiment = {experiment!r} is deleted in {uri}: restore it, or choose another name"
        )
    return client, found.experiment_id


def find_tracking_uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI if it is set, else the SQLite file in the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri(root)


def find_artifact_folder(root: Path) -> Path:
    """Return the folder of the artifacts that belong to the SQLite file."""
    return root / "mlartifacts"


def _local_uri(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"


def _quieten_mlflow() -> None:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # its news are about itself, not about the user's run
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # By default a server that is not there is asked for minutes, without a word.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
