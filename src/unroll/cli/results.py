"""The commands that look at results: `unroll metrics`, `runs`, `compare` and `ui`."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unroll.base.errors import InputError, hide_password, make_printable
from unroll.cli.console import Format, print_table

if TYPE_CHECKING:
    from unroll.params.common import TrackingParams
    from unroll.results.collect import Results


DEFAULT_BY = ["model.cell"]


class Source(StrEnum):
    """Where `unroll compare` takes results from."""

    MLFLOW = "mlflow"
    DVC = "dvc"


FormatOption = Annotated[Format, typer.Option(help="How tables are printed.")]


def metrics(folder: Annotated[Path, typer.Argument(help="Folder of the metrics files.")] = Path("metrics")) -> None:
    """Print the test metrics, overall and for each class, as a table."""
    from rich.console import Console
    from rich.table import Table

    from unroll.base.files import read_json

    scores, per_class_file = read_json(folder / "test.json"), folder / "per_class.json"
    if not per_class_file.is_file() and "macro_f1" not in scores:  # no classification
        for name, value in scores.items():
            print(f"{name} {value:.6g}")
        return
    per_class = read_json(per_class_file)
    rows = sum(values["support"] for values in per_class["classes"].values())
    names = {"accuracy": "accuracy", "log_loss": "log loss", "calibration_error": "calibration error"}
    summary = ", ".join(f"{name} {scores[key]:.4f}" for key, name in names.items())
    console = Console(markup=False)
    console.print(f"{rows:,} test rows: {summary}", soft_wrap=True)
    table = Table()
    table.add_column("class")
    for name in ("precision", "recall", "F1", "support"):
        table.add_column(name, justify="right")
    averages = {f"{average} average": per_class[average] | {"support": rows} for average in ("macro", "weighted")}
    for section in (per_class["classes"], averages):
        for name, row in section.items():
            table.add_row(
                make_printable(name),
                *(f"{row[key]:.4f}" for key in ("precision", "recall", "f1")),
                f"{row['support']:,}",
            )
        table.add_section()
    console.print(table)


def runs(format: FormatOption = Format.TABLE) -> None:
    """List branches and DVC experiments beside their MLflow runs; fail if their metrics differ."""
    from unroll.results.overview import MISMATCH, list_rows
    from unroll.results.pipelines import read_pipeline_params
    from unroll.results.records import list_records
    from unroll.tracking.store import connect

    params = read_pipeline_params()
    metric = params.main_metrics[0]
    rows = list_rows(connect(params.tracking.experiment), list_records(), metric)
    name = metric.removeprefix("test/")
    columns = ["kind", "name", "cell", f"git_{name}", f"mlflow_{name}", "state", "run_id"]
    digits = 6 if format is Format.CSV else 4
    cells = []
    for row in rows:
        scores = (_format_score(score, digits) for score in (row.git, row.mlflow))
        cells.append([row.kind, row.name, row.cell, *scores, row.state, row.run_id])
    print_table(columns, cells, format)
    differing = [row for row in rows if row.state == MISMATCH]
    if differing:
        first = f"{differing[0].name}: {'; '.join(differing[0].differences)}"
        raise InputError(f"{len(differing)} of {len(rows)} rows differ between Git and MLflow; the first is {first}")


def compare(
    by: Annotated[list[str], typer.Option(help="Parameter to compare by; may be repeated.")] = DEFAULT_BY,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric, as MLflow names it; may be repeated. By default the main ones.", show_default=False),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Take only results with this parameter; may be repeated."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Value of --by that the others are compared with; by default that of params.yaml, if a result has it."
        ),
    ] = None,
    source: Annotated[
        Source, typer.Option("--from", help="MLflow's runs, or Git's branches and DVC experiments.")
    ] = Source.MLFLOW,
    commit: Annotated[
        str,
        typer.Option(
            help="Take this commit and the experiments that started from it, also merged ones, from Git.",
            show_default=False,
        ),
    ] = "",
    format: FormatOption = Format.TABLE,
) -> None:
    """Compare results of several seeds: mean ± standard deviation by a parameter, and paired differences.

    Two results are a pair if they have the same parameters, seeds included, but for those of --by. Intervals hold
    the mean difference with 95 % confidence (Student's t).

    The linear baseline of the same data, preprocessing and split is a line of the first table. The last table has the
    difference of macro-F1 to it on the same test rows, with the interval that resampling those rows gives
    (bootstrap): the means of both over a line's runs.
    """
    from unroll.cli.compare import Question, print_comparison
    from unroll.params.common import flatten_params
    from unroll.results.pipelines import read_pipeline_params

    params = read_pipeline_params()
    question = Question(
        by,
        metric or list(params.main_metrics),
        _read_conditions(where or []),
        tuple(against.split(",")) if against else (),
    )
    present = {name: str(value) for name, value in flatten_params(params).items()}
    print_comparison(_collect_results(source, commit, params.tracking), question, present, format)


def ui(port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 5000) -> None:
    """Serve the MLflow UI on localhost and open it, or open the server that MLFLOW_TRACKING_URI names."""
    from unroll.base.files import find_root
    from unroll.results.pipelines import read_pipeline_params
    from unroll.tracking.pages import describe_page, open_browser, serve_pages
    from unroll.tracking.sharing import is_server
    from unroll.tracking.store import connect, find_artifact_folder

    params = read_pipeline_params()
    store = connect(params.tracking.experiment)
    page = describe_page(store, params.page_metrics)

    def announce(address: str) -> None:
        print(f"MLflow UI: {hide_password(address)}{page}", flush=True)
        open_browser(address + page)

    if is_server(store.uri):
        announce(store.uri.rstrip("/"))
        return
    print("Starting MLflow (Ctrl-C stops it) ...", flush=True)
    serve_pages(store, find_artifact_folder(find_root()), port, announce)


def _collect_results(source: Source, commit: str, tracking: "TrackingParams") -> "Results":
    from unroll.results.collect import collect_from_records, collect_from_runs
    from unroll.results.records import list_records, list_records_of
    from unroll.tracking.runs import list_runs
    from unroll.tracking.store import connect

    if commit:
        results = collect_from_records(list_records_of(commit), [])
        if not results.networks:
            raise InputError(f"{commit} and the experiments that started from it have no results")
        return results
    runs = list_runs(connect(tracking.experiment)) if tracking.enabled or source is Source.MLFLOW else []
    results = collect_from_runs(runs) if source is Source.MLFLOW else collect_from_records(list_records(), runs)
    if not results.networks:
        raise InputError(f"{source.value} has no results yet: `dvc exp run` makes one")
    return results


def _read_conditions(texts: list[str]) -> dict[str, str]:
    """Read `NAME=VALUE`; values are written as in params.yaml or as for `dvc exp run -S`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    conditions = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            conditions[name] = str(YAML(typ="safe", pure=True).load(value))
        except YAMLError:
            value = ""
        if not value:
            raise InputError(f"--where {text}: expected NAME=VALUE, as in --where model.pooling=max")
    return conditions


def _format_score(score: float, digits: int) -> str:
    return "" if math.isnan(score) else f"{score:.{digits}f}"
