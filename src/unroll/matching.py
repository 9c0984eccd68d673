"""Which MLflow run a model, its parameters and its evaluation belong to.

Apart from what writes runs, so that commands that only read them need not import PyTorch.
"""

from typing import TYPE_CHECKING, Any

from unroll.origin import EXPERIMENTS
from unroll.store import Store

if TYPE_CHECKING:  # MLflow takes seconds to import, so it is imported where it is used
    from mlflow.entities import Run as MlflowRun

MODEL_MD5 = "model_md5"  # the tag that links a run to models/model.safetensors in dvc.lock
TEST_MD5 = "test_md5"  # the tag that links a run to metrics/test.json in dvc.lock


def choose_run(runs: "list[MlflowRun]", params: dict[str, str], test_md5: str, name: str | None) -> "MlflowRun | None":
    """Return the run that a model, its parameters and its evaluation belong to; runs: those that made the model.

    A run's parameters cannot be changed and its scores are not overwritten: it fits if it has the same parameters,
    and the same evaluation or none yet. Of several, the one of the DVC experiment `name` is meant, or the newest.
    """

    def fits(run: "MlflowRun") -> bool:
        return ignore_tracking(run.data.params) == params and run.data.tags.get(TEST_MD5, test_md5) == test_md5

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
    """Return the finished runs whose model has this MD5."""
    return list(store.client.search_runs([store.experiment_id], f"tags.{MODEL_MD5} = '{md5}'"))
