"""Clones of a repository that log to one store at the same time, each as if it were on a machine of its own."""

import multiprocessing
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from workspaces import Workspace

PACKAGES = ["mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "matplotlib.pyplot", "unroll.stages.evaluate"]
COPIED = ("models", "metrics", "data/tokens")  # what is read to be logged
PATIENCE = 120  # seconds


@dataclass(frozen=True)
class Clone:
    """A clone's folder and number, which of several models it has, and how it waits for the others.

    calls: after how many calls of MLflow's client its process is killed; 0 if it is not.
    """

    path: Path
    number: int
    model: int
    barrier: Barrier
    calls: int = 0


def log_at_once(
    reproduced: Workspace, folder: Path, uri: str, models: Sequence[int], calls: Sequence[int] = ()
) -> list[tuple[int, str]]:
    """Log a baseline and an evaluation, as the stage `evaluate` does, from a clone for each of these models.

    Returns:
        The exit code of each clone's process, and what it printed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PACKAGES)
    barrier = context.Barrier(len(models))
    clones = [
        Clone(folder / f"clone-{number}", number, model, barrier, calls[number] if calls else 0)
        for number, model in enumerate(models)
    ]
    for clone in clones:
        copy_outputs(reproduced, clone.path)
    processes = [context.Process(target=run_clone, args=(clone, uri)) for clone in clones]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    outputs = [(clone.path / "output.txt").read_text() for clone in clones]
    return [(process.exitcode, output) for process, output in zip(processes, outputs, strict=True)]


def copy_outputs(reproduced: Workspace, path: Path) -> None:
    """Copy what is read to be logged to a folder that is the root of a repository."""
    (path / ".dvc").mkdir(parents=True)
    (path / ".git").mkdir()
    for name in COPIED:
        shutil.copytree(reproduced.path / name, path / name)
    shutil.copy(reproduced.path / "params.yaml", path)


def run_clone(clone: Clone, uri: str) -> None:
    """Log from a clone, whose DVC experiment is named after its number, when all others are ready, too."""
    for name in [name for name in os.environ if name.startswith(("DVC_", "MLFLOW_", "PYTEST_"))]:
        del os.environ[name]
    os.environ |= {"MLFLOW_TRACKING_URI": uri, "DVC_EXP_NAME": f"clone-{clone.number}"}
    os.chdir(clone.path)
    with Path("output.txt").open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        try:
            log(clone)
        except BaseException:
            traceback.print_exc()
            file.flush()
            raise SystemExit(1) from None


def log(clone: Clone) -> None:
    """Log the baseline and an evaluation of the clone's network, as the stage `evaluate` does."""
    from matplotlib.figure import Figure

    from unroll.base.files import read_json
    from unroll.params.common import SPLIT_NAMES
    from unroll.params.texts import read_text_params
    from unroll.text.tokens import load_tokens
    from unroll.tracking.baseline import log_baseline
    from unroll.tracking.evaluation import Evaluation, log_evaluation
    from unroll.tracking.names import name_scores
    from unroll.tracking.store import connect

    params = read_text_params()
    splits = {name: load_tokens(Path("data/tokens"), name) for name in SPLIT_NAMES}
    change_model(clone.model)
    scores = name_scores(read_json(Path("metrics/test.json")), read_json(Path("metrics/per_class.json")))
    evaluation = Evaluation("as it was", scores, ["test.json", "per_class.json"], {"figure.png": Figure()})
    clone.barrier.wait(PATIENCE)
    store = connect(params.tracking.experiment)
    if clone.calls:
        store = replace(store, client=Mortal(store.client, clone.calls))
    log_baseline(store, params, splits["val"])
    log_evaluation(store, params, splits, evaluation)


def change_model(model: int) -> None:
    """Make models/ another model: the same weights with another temperature, and a better score the higher it is."""
    from unroll.base.files import read_json, write_json
    from unroll.models.files import TEXT_PARTS, write_checksums

    for file, change in (
        (Path("models/config.json"), {"temperature": 1 + model / 10}),
        (Path("metrics/train.json"), {"val_macro_f1": 0.99 + model / 1000}),
    ):
        write_json(file, read_json(file) | change)
    write_checksums(Path("models"), TEXT_PARTS)


class Mortal:
    """A client of MLflow's whose process is killed instead of its last call."""

    def __init__(self, client: Any, calls: int) -> None:
        self._client, self._calls = client, calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self._calls -= 1
        if self._calls == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._client, name)
