"""How machines that do the same at the same time, and share no lock, come to one run."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
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


def keep_first(store: Store, search: "Callable[[], list[MlflowRun]]") -> None:
    """Remove all but one of several complete runs of the same, which `search` finds; that one gets their names.

    Whoever completes a run looks for others, and removes them or its own: the run stays whose model is a version, or
    else the oldest. The last to look sees all of them, so exactly one stays. Who has looked before may have chosen one
    that is removed by now: its names are for the one that stays then.
    """
    from mlflow.exceptions import MlflowException

    def rank(run: "MlflowRun") -> tuple[bool, int, str]:
        return VERSION not in run.data.tags, run.info.start_time, run.info.run_id

    names: list[str] = []
    while equals := sorted(search(), key=rank):
        kept = equals[0].info.run_id
        for other in equals[1:]:
            names += _remove_run(store, other.info.run_id)
        try:
            add_names(store, kept, names)
        except MlflowException:
            if store.client.get_run(kept).info.lifecycle_stage == "active":
                raise
        else:
            return


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


def _remove_run(store: Store, run_id: str) -> list[str]:
    """Delete a run, and its model if that is no version; return its names."""
    from mlflow.exceptions import MlflowException

    store.client.delete_run(run_id)
    removed = store.client.get_run(run_id)  # after which nobody can add a name to it
    if VERSION not in removed.data.tags and removed.outputs:
        for model in removed.outputs.model_outputs:
            with suppress(MlflowException):  # another machine has removed it at the same time
                store.client.delete_logged_model(model.model_id)
    return read_names(removed.data.tags)
