"""unroll spread: run a grid of experiments on the workers of a Dask cluster."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unroll.base.errors import InputError, make_printable

if TYPE_CHECKING:
    from unroll.cluster.spread import Show


OnOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Scheduler of a Dask cluster. By default a cluster on this machine.", show_default=False
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(help="On this machine, how many at a time. By default one for each core.", min=1, show_default=False),
]
NeedsOption = Annotated[
    list[str] | None, typer.Option(metavar="RESOURCE", help="Use only workers that have it, such as gpu.")
]
RemoteOption = Annotated[str, typer.Option(help="Git's remote, which workers clone and send experiments to.")]


def spread(
    set_param: Annotated[
        list[str] | None,
        typer.Option("-S", "--set-param", metavar="NAME=VALUE,…", help="As for `dvc exp run`; may be repeated."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file of experiments: on each line overrides, with spaces between them.")
    ] = None,
    on: OnOption = None,
    workers: WorkersOption = None,
    needs: NeedsOption = None,
    remote: RemoteOption = "origin",
) -> None:
    """Run a grid of experiments on many machines; those that Git's remote has already are not run again.

    Each runs in a clone of its own, and comes back as a DVC experiment, with its MLflow run. A failing experiment
    keeps no other from ending; what a dying worker did is done again elsewhere.
    """
    from unroll.cluster.checks import asks_for_portable, choose_tracking, find_source, read_experiments
    from unroll.cluster.grid import plan_experiments, read_grids
    from unroll.cluster.spread import fetch_experiments, list_finished, open_crew, run_experiments
    from unroll.tracking.store import connect

    grids = [*([set_param] if set_param else []), *(read_grids(file) if file else [])]
    source = find_source(remote)
    experiments = plan_experiments(grids, source.commit, source.folder)
    if not experiments:
        raise InputError("no experiment: expected -S model.cell=rnn,gru,lstm, or --file with one on each line")
    params = read_experiments(experiments)
    environment = choose_tracking(params, source.root, is_here=on is None)
    finished = list_finished(remote)
    missing = [one for one in experiments if one.name not in finished]
    print(f"{len(experiments)} experiments, {len(experiments) - len(missing)} of them on {remote} already", flush=True)
    failed: dict[str, str] = {}
    if missing:
        for name in sorted({one.tracking.experiment for one in params if one.tracking.enabled}):
            connect(name)  # so that workers find the experiment, and its folder of artifacts
        with show_states([one.name for one in missing]) as show:
            need_portable = all(asks_for_portable(one.train) for one in params)
            with open_crew(source, need_portable, environment, on, workers, needs or []) as crew:
                for name, reason in run_experiments(crew, missing, show):
                    show(name, f"failed: {reason}" if reason else "done")
                    failed |= {name: reason} if reason else {}
    fetch_experiments(remote, [one.name for one in experiments if one.name not in failed])
    if failed:
        name, reason = next(iter(failed.items()))
        raise InputError(f"{len(failed)} of {len(experiments)} experiments failed; the first is {name}: {reason}")
    print("All came back: `dvc exp show` and `unroll runs` list them")


@contextmanager
def show_states(names: list[str]) -> "Iterator[Show]":
    """Yield a function that shows what an experiment does: in a table on a terminal, in lines elsewhere."""
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    states, since = dict.fromkeys(names, "waits"), dict.fromkeys(names, time.monotonic())

    def draw() -> Table:
        table = Table("experiment", "state", "seconds", box=None, padding=(0, 2, 0, 0))
        for name, state in states.items():
            seconds = "" if state == "waits" or is_over(state) else f"{time.monotonic() - since[name]:.0f}"
            table.add_row(name, make_printable(state), seconds)
        return table

    console = Console(markup=False)
    with Live(get_renderable=draw, console=console, refresh_per_second=2) if console.is_terminal else nullcontext():

        def show(name: str, state: str) -> None:
            states[name], since[name] = state, time.monotonic()
            if not console.is_terminal:
                print(f"{name}: {make_printable(state)}", flush=True)

        yield show


def is_over(state: str) -> bool:
    return state.startswith(("done", "failed", "pruned"))
