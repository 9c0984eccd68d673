"""What machines do to the same runs at the same moment, one call after the other; tests/clones.py does it for real."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from unroll.tracking.claims import keep_first, read_names
from unroll.tracking.origin import EXPERIMENTS
from unroll.tracking.registry import VERSION
from unroll.tracking.store import Store


@dataclass(frozen=True)
class Overtaken:
    """A client that goes on from its first removal of a run when another machine has looked and removed, too."""

    client: MlflowClient
    other: Store
    others: list[str]  # runs that the other machine has completed by then

    def delete_run(self, run_id: str) -> None:
        self.client.delete_run(run_id)
        if self.others:
            complete(self.other, self.others.pop(), **{VERSION: "1"})
            keep_first(self.other, lambda: search(self.other))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    return Store(client, uri, client.create_experiment("headlines", tmp_path.as_uri()))


def complete(store: Store, name: str, **tags: str) -> None:
    store.client.create_run(store.experiment_id, tags={EXPERIMENTS: name} | tags, run_name=name)


def search(store: Store) -> list[Run]:
    return store.client.search_runs([store.experiment_id])


def test_the_first_run_stays_or_that_of_a_version_and_has_all_names(store: Store) -> None:
    for name in ("one", "two", "three"):
        complete(store, name, **({VERSION: "1"} if name == "two" else {}))
    keep_first(store, lambda: search(store))
    (kept,) = search(store)
    assert kept.info.run_name == "two" and set(read_names(kept.data.tags)) == {"one", "two", "three"}
    keep_first(store, list)  # of nothing, nothing stays


def test_if_the_run_that_was_kept_is_removed_the_next_one_gets_the_names(store: Store) -> None:
    for name in ("one", "two"):
        complete(store, name)
    client = Overtaken(store.client, store, ["three"])
    keep_first(replace(store, client=client), lambda: search(store))
    (kept,) = search(store)
    assert kept.info.run_name == "three" and set(read_names(kept.data.tags)) == {"one", "two", "three"}
