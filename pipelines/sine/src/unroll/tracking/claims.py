"""How machines that do the same at the same time, and share no lock, come to one run."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from unroll.tracking.origin import EXPERIMENTS
from unroll.tracking.registry import VERSION
from unroll.tracking.runs import CLAIM, split_names
from unroll.tracking.sharing import insert
from unroll.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun


def claim_run(store: Store, run_id: str, test_md5: str) -> bool:
    """Claim a run for an evaluation; return whether it belongs to this one, and not to one with other scores.

    A parameter keeps its first value, whoever else writes one, so no two evaluations get the same run.
    """
    from mlflow.exceptions import MlflowException

    try:
        insert(store.client.log_param, run_id, CLAIM, test_md5)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":  # as MLflow calls it, and also that the run was deleted
            raise
        return False
    return True


def keep_first(store: Store, equals: "list[MlflowRun]") -> "list[MlflowRun]":
    """Remove all but one of several complete runs of the same; return those that were removed.

    Whoever completes a run looks for others, and removes them or its own: the run stays whose model is a version, or
    else the oldest. All choose the same, and the last to look sees all of them, so exactly one stays.
    """

    def rank(run: "MlflowRun") -> tuple[bool, int, str]:
        return VERSION not in run.data.tags, run.info.start_time, run.info.run_id

    ranked = sorted(equals, key=rank)
    for other in ranked[1:]:
        _remove_run(store, other.info.run_id, kept=ranked[0].info.run_id)
    return ranked[1:]


def add_names(store: Store, run_id: str, names: Iterable[str]) -> None:
    """Add names of DVC experiments to those of a run.

    Machines that write a tag at the same time overwrite each other. So each new name has a tag of its own, too, and the
    tag of all names is written until it holds them.
    """
    for name in set(names).difference(read_names(store.client.get_run(run_id).data.tags)):
        digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        insert(store.client.set_tag, run_id, f"{EXPERIMENTS}.{digest[:8]}", name)
    while True:
        tags = store.client.get_run(run_id).data.tags
        wanted = ", ".join(read_names(tags))
        if tags.get(EXPERIMENTS, "") == wanted:
            return
        insert(store.client.set_tag, run_id, EXPERIMENTS, wanted)


def read_names(tags: Mapping[str, str]) -> list[str]:
    """Return the names of DVC experiments in a run's tags, those in the tag of all names first."""
    listed = split_names(tags.get(EXPERIMENTS, ""))
    own = {value for tag, value in tags.items() if tag.startswith(f"{EXPERIMENTS}.")}
    return listed + sorted(own.difference(listed))


def _remove_run(store: Store, run_id: str, kept: str) -> None:
    """Delete a run, and its model if that is no version; the run that is kept gets its names."""
    from mlflow.exceptions import MlflowException

    store.client.delete_run(run_id)
    removed = store.client.get_run(run_id)  # after which nobody can add a name to it
    add_names(store, kept, read_names(removed.data.tags))
    if VERSION not in removed.data.tags and removed.outputs:
        for model in removed.outputs.model_outputs:
            with suppress(MlflowException):  # another machine has removed it at the same time
                store.client.delete_logged_model(model.model_id)
