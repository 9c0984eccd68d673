"""unroll trace: from a number back to what made it."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unroll.base.errors import InputError

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

    from unroll.cli.tell import Finding
    from unroll.results.numbers import Number
    from unroll.results.places import Place
    from unroll.results.trace import Chain


class TraceFormat(StrEnum):
    """How the chain is printed."""

    TEXT = "text"
    JSON = "json"


def trace(
    what: Annotated[
        str,
        typer.Argument(
            help="A number as it was written (0.8791, 87.91%), [REVISION:]FILE:KEY, a branch, tag, commit or "
            "experiment, the MD5 of an output, or its first digits, or the id or name of a run."
        ),
    ],
    key: Annotated[str, typer.Argument(help="Key in the file: macro_f1, classes.World.f1, …")] = "",
    format: Annotated[TraceFormat, typer.Option(help="How the chain is printed.")] = TraceFormat.TEXT,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the chain, too.", show_default=False)
    ] = None,
    runs: Annotated[bool, typer.Option("--runs/--no-runs", help="Ask MLflow, which takes seconds to start.")] = True,
) -> None:
    """Find where a number stands, and print what made it: data, stages, parameters, commit, packages, model and run.

    All commits, branches, tags and experiments are searched, and the runs, if there is a store. If nothing made the
    number, the command says so, and exits with code 1.
    """
    from unroll.cli.picture import draw_sections
    from unroll.cli.tell import describe_finding, print_sections, tell_chain, tell_rest, tell_run
    from unroll.results.numbers import read_number
    from unroll.results.places import find_places
    from unroll.results.trace import read_chain

    for argument in (what, key):
        if argument.startswith("-") and not read_number(argument):
            raise InputError(f"{argument} is neither an option nor a number: `unroll trace --help` lists the options")
    places = find_places(what, key)
    made = [place for place in places if place.is_made]
    chain = read_chain(made[0]) if made else None
    is_text = format is TraceFormat.TEXT
    if chain and is_text:
        print_sections(tell_chain(chain))
    number = None if key or ":" in what else read_number(what)
    found = _list_runs(chain) if runs else None
    finding = find_runs(what, number, places, chain, found or [])
    if is_text:
        print_sections((tell_chain(finding.chain) if finding.chain and not chain else {}) | tell_rest(finding))
    if not (finding.chain or finding.run):
        raise InputError(_explain(what, places, number, None if found is None else len(found)))
    if format is TraceFormat.JSON:
        print(json.dumps({"asked": f"{what} {key}".strip()} | describe_finding(finding), indent=2))
    if picture:
        draw_sections((tell_chain(finding.chain) if finding.chain else {}) | tell_run(finding.run), picture)


def find_runs(
    what: str, number: "Number | None", places: "list[Place]", chain: "Chain | None", runs: "list[MlflowRun]"
) -> "Finding":
    """Add the runs; if only a run knows what was asked for, look for the commit that holds what it made."""
    from unroll.cli.tell import Finding

    if not runs:
        return Finding(places, chain, None, [])
    from unroll.results.places import find_places
    from unroll.results.trace import read_chain
    from unroll.results.traced_runs import describe_run, find_run_of_chain

    meant = [
        run
        for run in runs
        if what.lower() == run.info.run_id
        or what == run.info.run_name
        or (number and any(number.fits(value) for value in run.data.metrics.values()))
    ]
    own = find_run_of_chain(chain, runs) if chain else next(iter(meant), None)
    described = describe_run(own, number) if own else None
    if own and described and described.output_md5 and not chain:
        chains = map(read_chain, find_places(described.output_md5))
        chain = next((chain for chain in chains if find_run_of_chain(chain, [own])), None)
        places = [*places, *([chain.place] if chain else [])]
    return Finding(places, chain, described, [describe_run(run, number) for run in meant if run is not own])


def _list_runs(chain: "Chain | None") -> "list[MlflowRun] | None":
    """Return the runs of the chain's experiment in MLflow, or of this folder's; None if there is no store."""
    from unroll.base.files import find_root
    from unroll.results.pipelines import read_pipeline_params
    from unroll.results.places import find_pipeline
    from unroll.tracking.git import ask_git
    from unroll.tracking.runs import list_runs
    from unroll.tracking.store import connect

    if not (os.environ.get("MLFLOW_TRACKING_URI") or (find_root() / "mlflow.db").is_file()):
        return None
    own = chain.params.get("tracking.experiment") if chain else None
    params = Path(ask_git("rev-parse", "--show-toplevel").rstrip("\n"), find_pipeline(), "params.yaml")
    if not own and not params.is_file():
        return None
    return list_runs(connect(str(own) if own else read_pipeline_params(params).tracking.experiment))


def _explain(what: str, places: "list[Place]", number: "Number | None", runs: int | None) -> str:
    """Return why nothing made it."""
    from unroll.cli.tell import name_place
    from unroll.results.history import count_commits, count_experiments

    if places:
        place = places[0]
        return (
            f"{name_place(place)}: dvc.lock beside it does not record {place.folder}{place.file} as it is there: "
            "nothing here made it"
        )
    if not number:
        told = "; MLflow was not asked for a run" if runs is None else ", and neither id nor name of a run"
        return f"{what!r} is no branch, tag, commit or experiment here, nor the MD5 of an output{told}"
    names = {"commit": count_commits(), "experiment": count_experiments()} | ({} if runs is None else {"run": runs})
    *counts, last = [f"{count:,} {name}{'s' * (count != 1)}" for name, count in names.items()]
    return f"{what} stands in no metrics of {', '.join(counts)} and {last}: nothing here made it"
