"""unroll search: look for good parameters in ranges, batch by batch, on the workers of a Dask cluster."""

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from unroll.base.errors import InputError
from unroll.cli.console import Format, print_table
from unroll.cli.spread import NeedsOption, OnOption, RemoteOption, WorkersOption, show_states

if TYPE_CHECKING:
    from optuna import Study

    from unroll.cluster.search import Search
    from unroll.cluster.spread import Crew

SHOWN = 5  # of the best trials


def search(
    set_param: Annotated[
        list[str],
        typer.Option(
            "-S",
            "--set-param",
            metavar="NAME=RANGE",
            help="LOW..HIGH, LOW..HIGH:log, or VALUE,VALUE,…; a single value is the same for all. May be repeated.",
        ),
    ],
    trials: Annotated[int, typer.Option(help="How many to try in all.", min=1)] = 20,
    batch: Annotated[
        int, typer.Option(help="How many are chosen at a time: they may run at once; later ones learn of them.", min=1)
    ] = 4,
    seed: Annotated[int, typer.Option(help="Of what is chosen.", min=0)] = 1,
    prune: Annotated[
        bool, typer.Option(help="Stop a trial whose epochs in MLflow are worse than the median of earlier batches.")
    ] = True,
    on: OnOption = None,
    workers: WorkersOption = None,
    needs: NeedsOption = None,
    remote: RemoteOption = "origin",
) -> None:
    """Look for the parameters that are best in validation, in the ranges given.

    Optuna chooses them, batch by batch: the same ones for the same seed, however many workers there are, and however
    often the search is interrupted. Each trial is a DVC experiment, as `unroll spread` makes them, with its MLflow run.
    The same command goes on where it ended, and with more --trials goes further.
    """
    from unroll.base.files import find_root
    from unroll.cluster.batches import Places, try_batch
    from unroll.cluster.checks import asks_for_portable, choose_tracking, find_source, read_experiments
    from unroll.cluster.pictures import draw_search
    from unroll.cluster.search import Search, choose_objective, open_study
    from unroll.cluster.space import read_space
    from unroll.cluster.spread import open_crew
    from unroll.tracking.store import connect

    space = read_space(set_param)
    source = find_source(remote)
    params = read_experiments(space.list_corners())
    if prune and not params[0].tracking.enabled:
        raise InputError("tracking.enabled = false while trials are pruned by their epochs in MLflow: try --no-prune")
    environment = choose_tracking(params, source.root, is_here=on is None)
    store = connect(params[0].tracking.experiment) if params[0].tracking.enabled else None
    plan = Search(space, choose_objective(params[0]), source.commit, source.folder, seed, batch, prune)
    need_portable = all(asks_for_portable(one.train) for one in params)
    root = find_root()
    with open_study(root / ".dvc" / "tmp" / "search.db", plan) as study, show_states([]) as show, ExitStack() as stack:

        @cache
        def start_crew() -> "Crew":
            return stack.enter_context(open_crew(source, need_portable, environment, on, workers, needs or []))

        known = min(len(study.get_trials()), trials)
        print(f"{plan.name}: {trials} trials, {known} of them done already", flush=True)
        for first in range(0, trials, batch):
            places = Places(remote, store, start_crew, show)
            try_batch(plan, study, places, first // batch, min(batch, trials - first))
        picture = root / "dvc_plots" / f"{plan.name}.png"
        picture.parent.mkdir(exist_ok=True)
        draw_search(study, plan).savefig(picture, dpi=110)
    print_best(study, plan)
    print(f"{picture} shows the history, and which parameters mattered")


def print_best(study: "Study", plan: "Search") -> None:
    """Print the best trials, and how to apply the best one."""
    from unroll.cluster.search import list_best

    best, trials = list_best(study), study.get_trials()
    pruned = sum(trial.value is None and bool(trial.intermediate_values) for trial in trials)
    diverged = len(trials) - len(best) - pruned
    print(f"{len(trials)} trials: {len(best)} complete, {pruned} pruned, {diverged} diverged")
    if not best:
        return
    names = [one.name for one in plan.space.ranges]
    rows = [
        [
            str(trial.number + 1),
            f"{trial.value:.4f}",
            *(str(trial.params[name]) for name in names),
            trial.user_attrs["experiment"],
        ]
        for trial in best[:SHOWN]
    ]
    print_table(["trial", plan.objective, *names, "experiment"], rows, Format.TABLE)
    print(f"`dvc exp apply {best[0].user_attrs['experiment']}` puts the best one into the workspace")
