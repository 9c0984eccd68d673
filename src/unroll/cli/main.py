"""The program `unroll`: the commands a person types."""

import os
import sys
from typing import Annotated

import typer

from unroll.base.errors import DEBUG, InputError, end_in_one_line
from unroll.base.process import collect_rarely
from unroll.cli.check import check
from unroll.cli.data import data
from unroll.cli.export import export
from unroll.cli.labels import labels
from unroll.cli.model import gradients, neighbors, predict
from unroll.cli.reproduce import reproduce
from unroll.cli.results import compare, metrics, runs, ui
from unroll.cli.search import search
from unroll.cli.serve import serve
from unroll.cli.spread import spread
from unroll.cli.trace import trace

app = typer.Typer(
    help="Ask the model in models/, and look at what the pipeline left.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    *(data, labels, predict, serve, export, neighbors),
    *(metrics, runs, compare, reproduce, gradients, spread, search, check, ui),
):
    app.command()(command)
app.command(context_settings={"ignore_unknown_options": True})(trace)  # or else -0.02 is an option


@app.callback()
def set_debug(debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False) -> None:
    if debug:
        os.environ[DEBUG] = "1"


def main() -> None:
    """Run a command; whatever goes wrong ends in one line."""
    collect_rarely()
    with end_in_one_line(with_bugs=True):
        try:
            sys.exit(app(standalone_mode=False))
        except typer.TyperException as error:
            if message := error.format_message():  # else nothing was asked, and help has been printed
                raise InputError(message) from None
            sys.exit(1)
