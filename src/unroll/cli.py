"""The program `unroll`: the commands a person types."""

import typer

from unroll.errors import InputError, exit_with_message
from unroll.model_commands import gradients, neighbors, predict
from unroll.repair_commands import check
from unroll.result_commands import compare, metrics, runs, ui

app = typer.Typer(
    help="Ask the model in models/, and look at what the pipeline left.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (predict, neighbors, metrics, runs, compare, gradients, check, ui):
    app.command()(command)


def main() -> None:
    """Run a command; a wrong input ends in one line, a bug in its traceback."""
    try:
        app()
    except InputError as error:
        exit_with_message(error)
