"""Tries a batch of a search: what is known already is not run again, wherever an earlier search was interrupted.

Git's remote knows the complete experiments, and MLflow the epochs of those that are pruned, which no remote has.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from unroll.base.errors import InputError
from unroll.cluster.grid import Experiment
from unroll.cluster.pruning import DIVERGED, find_limits, find_pruned
from unroll.cluster.search import Outcome, Search, add_outcome, ask_batch, read_history, read_objective
from unroll.cluster.spread import Crew, Show, fetch_experiments, list_finished, run_experiments
from unroll.cluster.trials import find_pruned_curve, find_runs, stop_early, tag_runs
from unroll.tracking.store import Store

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class Places:
    """Where trials run and are kept: Git's remote, MLflow's store if runs are tracked, and the workers once started."""

    remote: str
    store: Store | None
    start_crew: Callable[[], Crew]
    show: Show


def try_batch(search: Search, study: "Study", places: Places, number: int, size: int) -> None:
    """Try a batch of trials and add them to the study, in order.

    Raises:
        InputError: a trial failed; the others are kept.
    """
    first = number * search.batch
    trials = study.get_trials()
    if len(trials) >= first + size:
        return
    curves = [[*trial.intermediate_values.values()] for trial in trials[:first] if trial.value is not None]
    limits = find_limits(curves, search.objective) if search.is_pruning else []
    asked = ask_batch(search, trials[:first], number, size)
    experiments = {one.name: one for one in map(search.make_experiment, asked)}
    outcomes = find_pruned_trials(search, places, set(experiments), limits)
    finished = list_finished(places.remote)
    missing = [one for name, one in experiments.items() if name not in finished and name not in outcomes]
    ended, failed = run_missing(search, places, missing, limits) if missing else ({}, {})
    outcomes |= ended
    complete = [name for name in experiments if name not in outcomes and name not in failed]
    fetch_experiments(places.remote, complete)
    for name in complete:
        outcomes[name] = judge_complete(search, name, limits)
    if places.store:
        pruned = {name: len(one.curve) for name, one in outcomes.items() if one.score is None and one.curve}
        tag_runs(places.store, search.name, find_runs(places.store, experiments), pruned)
    if failed:
        name, reason = next(iter(failed.items()))
        raise InputError(f"{len(failed)} of {size} trials failed; the first is {name}: {reason}")
    for values in asked[len(trials) - first :]:  # an interrupted search may have added some
        add_outcome(study, search.space, values, outcomes[search.make_experiment(values).name])


def run_missing(
    search: Search, places: Places, missing: list[Experiment], limits: list[float]
) -> tuple[dict[str, Outcome], dict[str, str]]:
    """Run experiments; return the outcomes of those that were pruned or diverged, and why others failed, by name."""
    crew = places.start_crew()
    job = replace(crew.template, objective=search.objective, limits=tuple(limits))
    outcomes: dict[str, Outcome] = {}
    failed: dict[str, str] = {}
    names = {one.name for one in missing}
    stopping = (
        stop_early(crew.client, places.store, names, limits, search.objective)
        if places.store and limits
        else nullcontext()
    )
    with stopping:
        for name, reason in run_experiments(replace(crew, template=job), missing, places.show):
            if reason:
                outcomes |= find_pruned_trials(search, places, {name}, limits)
            if name in outcomes:
                places.show(name, f"pruned at epoch {len(outcomes[name].curve)}")
            elif DIVERGED.search(reason):
                outcomes[name] = Outcome(name, [])
                places.show(name, f"failed: {reason}")
            elif reason:
                failed[name] = reason
                places.show(name, f"failed: {reason}")
            else:
                places.show(name, "done")
    return outcomes, failed


def find_pruned_trials(search: Search, places: Places, names: set[str], limits: list[float]) -> dict[str, Outcome]:
    """Return the outcomes of those experiments whose epochs in MLflow show that they are pruned."""
    if not places.store or not limits:
        return {}
    curves = {
        name: find_pruned_curve(places.store, runs, limits, search.objective)
        for name, runs in find_runs(places.store, names).items()
    }
    return {name: Outcome(name, curve) for name, curve in curves.items() if curve}


def judge_complete(search: Search, name: str, limits: list[float]) -> Outcome:
    """Return the outcome of an experiment that is here, which another command may have run without any limits."""
    curve = read_history(search.folder, search.commit, name, search.objective)
    if epoch := find_pruned(curve, limits, search.objective):
        return Outcome(name, curve[:epoch])
    return Outcome(name, curve, read_objective(search.objective, search.commit, name))
