"""A search: what Optuna asks to try next, and the study that keeps what came of it.

A batch depends on the seed and on the trials of earlier batches alone: not on the number of workers, on who ended
first, or on how often the search was interrupted.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from unroll.base.errors import InputError
from unroll.cluster.grid import Experiment, name_experiment
from unroll.cluster.pruning import F1, HISTORY, LOSS, read_curve
from unroll.cluster.space import Space, make_distributions, round_value
from unroll.params.common import PipelineParams
from unroll.tracking.git import ask_git

if TYPE_CHECKING:  # Optuna is installed only by `make cluster`
    from optuna import Study
    from optuna.trial import FrozenTrial


def choose_objective(params: PipelineParams) -> str:
    """Return what a search goes by, in metrics/train.json: validation macro-F1, or the loss where there is none."""
    return F1 if f"test/{F1.removeprefix('val_')}" in params.main_metrics else LOSS


def find_ref(commit: str, name: str) -> str:
    """Return where Git keeps an experiment of a commit."""
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def read_objective(objective: str, commit: str, name: str) -> float:
    """Return an experiment's score in validation, from its own commit."""
    shown = ask_git("show", f"{find_ref(commit, name)}:./metrics/train.json", check=True)
    return float(json.loads(shown)[objective])


def read_history(folder: str, commit: str, name: str, objective: str) -> list[float]:
    """Return an experiment's score in validation, epoch by epoch, from what DVC keeps of it."""
    import dvc.api  # imported here: it takes a second

    return read_curve(dvc.api.read(f"{folder}{HISTORY}", rev=find_ref(commit, name)), objective)


@dataclass(frozen=True)
class Search:
    """All that determines the trials of a search, apart from their results.

    commit, folder: of the pipeline; batch: how many trials are chosen at a time.
    """

    space: Space
    objective: str
    commit: str
    folder: str
    seed: int
    batch: int
    is_pruning: bool

    @property
    def name(self) -> str:
        """A name that no other search has."""
        whole = json.dumps(asdict(self), sort_keys=True).encode()
        return f"search-{hashlib.sha1(whole, usedforsecurity=False).hexdigest()[:7]}"

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        return "minimize" if self.objective == LOSS else "maximize"

    def make_experiment(self, values: Mapping[str, Any]) -> Experiment:
        """Return the experiment with these values; its name is the one that `unroll spread` gives it."""
        overrides = self.space.make_overrides(values)
        return Experiment(name_experiment(overrides, self.commit, self.folder), overrides)


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: its experiment, its score in validation by epoch, and that of the model that was kept.

    score: None if the trial was pruned, at the curve's last epoch, or if it diverged, without a curve.
    """

    experiment: str
    curve: list[float]
    score: float | None = None


@contextmanager
def open_study(file: Path, search: Search) -> "Iterator[Study]":
    """Open or begin the study of a search in a SQLite file, which one search at a time may use.

    Raises:
        InputError: Optuna is not installed, the file cannot be used, or another search uses it.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise InputError("unroll search needs Optuna: `make cluster` installs it") from None
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file.parent.mkdir(parents=True, exist_ok=True)
    name, direction = search.name, search.direction
    try:
        with FileLock(f"{file}.lock", timeout=0):
            try:
                study = optuna.create_study(
                    storage=f"sqlite:///{file}", study_name=name, direction=direction, load_if_exists=True
                )
            except (SQLAlchemyError, optuna.exceptions.StorageInternalError):
                raise InputError(f"{file} is no database of Optuna: delete it, and nothing is lost") from None
            yield study
    except Timeout:
        raise InputError(f"another search uses {file}: expected one at a time") from None


def ask_batch(search: Search, earlier: "Sequence[FrozenTrial]", number: int, size: int) -> list[dict[str, Any]]:
    """Return the values to try in a batch, by parameter; earlier: the trials of all batches before it.

    A smaller batch is the beginning of a larger one.
    """
    import numpy as np
    import optuna

    entropy = np.random.SeedSequence([search.seed, number]).generate_state(1)
    sampler = optuna.samplers.TPESampler(seed=int(entropy[0]), multivariate=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler, direction=search.direction)
    study.add_trials(earlier)
    distributions = make_distributions(search.space)
    asked = [study.ask(distributions).params for _ in range(size)]
    return [{one.name: round_value(values[one.name], one) for one in search.space.ranges} for values in asked]


def add_outcome(study: "Study", space: Space, values: Mapping[str, Any], outcome: Outcome) -> None:
    """Add an ended trial to a study, which then has all of it or nothing."""
    from optuna.trial import TrialState, create_trial

    without_score = TrialState.PRUNED if outcome.curve else TrialState.FAIL
    study.add_trial(
        create_trial(
            state=without_score if outcome.score is None else TrialState.COMPLETE,
            value=outcome.score,
            params=dict(values),
            distributions=make_distributions(space),
            user_attrs={"experiment": outcome.experiment},
            intermediate_values=dict(enumerate(outcome.curve, start=1)),
        )
    )


def list_best(study: "Study") -> "list[FrozenTrial]":
    """Return the complete trials, the best in validation first; of equal ones the earlier."""
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    complete = study.get_trials(states=(TrialState.COMPLETE,))
    sign = 1 if study.direction is StudyDirection.MINIMIZE else -1
    return sorted(complete, key=lambda trial: sign * (trial.value or 0))
