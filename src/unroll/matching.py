"""Which MLflow run a model, its parameters and its evaluation belong to.

Apart from what writes runs, so that commands that only read them need not import PyTorch.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from unroll.origin import EXPERIMENTS
from unroll.store import Store

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow.entities import Run as MlflowRun

# Tags that link a run to an output in dvc.lock, whose MD5 they hold.
MODEL_MD5, CHECKSUMS_MD5, TEST_MD5 = "model_md5", "checksums_md5", "test_md5"
# checksums.json lists all of models/: the same weights may answer with other class names, cleaning or temperature.
LINKS = {
    MODEL_MD5: "models/model.safetensors",
    CHECKSUMS_MD5: "models/checksums.json",
    TEST_MD5: "metrics/test.json",
}


def choose_run(
    runs: "list[MlflowRun]", params: dict[str, str], md5s: Mapping[str, str], name: str | None
) -> "MlflowRun | None":
    """Return the run that a model, its parameters and its evaluation belong to; runs: those that made the weights.

    A run's parameters cannot be changed and its scores are not overwritten: it fits if it has the same parameters, and
    the same of `md5s` (by tag) or none yet. Of several, the one of the DVC experiment `name` is meant, or the newest.
    """

    def fits(run: "MlflowRun") -> bool:
        return ignore_tracking(run.data.params) == params and all(
            run.data.tags.get(tag, md5) == md5 for tag, md5 in md5s.items()
        )

    def rank(run: "MlflowRun") -> tuple[bool, int]:
        return name in split_names(run.data.tags.get(EXPERIMENTS, "")), run.info.start_time

    return max(filter(fits, runs), key=rank, default=None)


def ignore_tracking(params: dict[str, Any]) -> dict[str, str]:
    """Return flat parameters as MLflow holds them, without those that say where runs are logged."""
    return {name: str(value) for name, value in params.items() if not name.startswith("tracking.")}


def split_names(names: str) -> list[str]:
    """Return the experiment names that a tag holds. Git allows no space in a name, so none is cut in two."""
    return names.split(", ") if names else []


def find_runs_of_model(store: Store, md5: str) -> "list[MlflowRun]":
    """Return the finished runs whose weights have this MD5."""
    return list(store.client.search_runs([store.experiment_id], f"tags.{MODEL_MD5} = '{md5}'"))
