"""What an MLflow run says that is to be reproduced: its commit, what was not committed, and what came out."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from unroll.base.errors import InputError
from unroll.base.files import find_root
from unroll.results.outputs import Expected
from unroll.tracking.baseline import BASELINE_LINKS
from unroll.tracking.changes import DIFF, FOLDER, LIMIT_BYTES, PATCH, WITHHELD
from unroll.tracking.origin import COMMIT, DIRTY, REPOSITORY
from unroll.tracking.runs import LINKS
from unroll.tracking.store import find_tracking_uri, open_client, require_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_ID, HASH, SHA256 = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{40}|[0-9a-f]{64}"), re.compile("[0-9a-f]{64}")
HINT = "if it is the MD5 of an output, `unroll trace` leads to its commit"
DATA = "dvc.md5."  # how tags begin that hold the MD5s of data
METRICS = ("metrics/train.json", "metrics/test.json", "metrics/per_class.json", "metrics/baseline.json")


@dataclass(frozen=True)
class Wanted:
    """What an MLflow run says of how it was made, and of what came out."""

    name: str
    commit: str
    repository: str  # its address, or empty
    experiment: str  # MLflow's, which tells the pipeline
    expected: Expected
    patch: bytes  # from the commit to the code that ran
    tags: Mapping[str, str]


def find_run(run_id: str, repository: str) -> Wanted:
    """Return what MLflow knows of a run; the store is MLFLOW_TRACKING_URI, or in this or the given local repository.

    Raises:
        InputError: there is no store or no such run, or it cannot be made again.
    """
    uri = find_tracking_uri(_find_folder(repository))
    _check_database(uri, run_id)
    client, _ = open_client(uri)
    from mlflow.exceptions import MlflowException

    with require_store(uri):
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise InputError(f"MLflow's store {uri} has no run {run_id}; {HINT}") from None
        name, tags = f"run {run_id}", run.data.tags
        links = {path: tags[tag] for tag, path in (LINKS | BASELINE_LINKS).items() if tag in tags}
        if not links:
            raise InputError(f"{name} ({run.info.status.lower()}) has come to no model, so there is nothing to compare")
        if not HASH.fullmatch(tags.get(COMMIT, "")):
            raise InputError(f"{name} does not say which commit it was made from")
        data = {tag.removeprefix(DATA): md5 for tag, md5 in tags.items() if tag.startswith(DATA)}
        return Wanted(
            name=name,
            commit=tags[COMMIT],
            repository=tags.get(REPOSITORY, ""),
            experiment=client.get_experiment(run.info.experiment_id).name,
            expected=Expected(data | links, _read_artifacts(client, run_id, METRICS)),
            patch=_read_patch(client, run_id, name, tags) if tags.get(DIRTY) == "true" else b"",
            tags=tags,
        )


def _find_folder(repository: str) -> Path:
    """Return the folder that has MLflow's database, if no variable names another store."""
    is_given = repository and not (find_root() / "mlflow.db").is_file()
    return Path(repository).resolve() if is_given else find_root()


def _check_database(uri: str, run_id: str) -> None:
    """Raise InputError if the store is a file that is not there, which MLflow would make."""
    from sqlalchemy.engine import make_url

    file = make_url(uri).database if uri.startswith("sqlite") else None
    if file and not Path(file).is_file():
        raise InputError(f"run {run_id}: there is no {file}: set MLFLOW_TRACKING_URI to the store that has it; {HINT}")


def _read_patch(client: "MlflowClient", run_id: str, name: str, tags: Mapping[str, str]) -> bytes:
    """Return the run's difference from its commit, checked against its tag."""
    told, changed = tags.get(DIFF, ""), tags.get("git.changed", "")[:200]
    if not SHA256.fullmatch(told):
        reason = told.removeprefix(WITHHELD) or "no run had one then"
        raise InputError(f"{name} was made with changes to {changed}, which were not kept with it: {reason}")
    path = f"{FOLDER}/{PATCH}"
    patch = _read_artifacts(client, run_id, [path]).get(path, b"")
    if hashlib.sha256(patch).hexdigest() != told or len(patch) > LIMIT_BYTES:
        raise InputError(f"{name}: its {path} is missing or damaged: its SHA-256 is not that of its tag {DIFF}")
    return patch


def _read_artifacts(client: "MlflowClient", run_id: str, paths: "list[str] | tuple[str, ...]") -> dict[str, bytes]:
    """Return the files of the run that are there."""
    folders = dict.fromkeys(path.partition("/")[0] for path in paths)
    listed = [file for folder in folders for file in client.list_artifacts(run_id, folder)]
    there = {file.path for file in listed if (file.file_size or 0) <= LIMIT_BYTES}  # all that is read is small
    with TemporaryDirectory() as temporary:
        kept = [path for path in paths if path in there]
        return {path: Path(client.download_artifacts(run_id, path, temporary)).read_bytes() for path in kept}
