"""The command `unroll export`: the network in models/ as ONNX."""

from pathlib import Path
from typing import Annotated

import typer

from unroll.base.errors import make_printable


def export(
    output: Annotated[Path, typer.Option(help="Folder to write; an earlier export is replaced.")] = Path("exported"),
    models: Annotated[Path, typer.Option(help="Folder with the trained network.")] = Path("models"),
) -> None:
    """Write the network in models/ as ONNX, for other languages and servers, with all that turns a text into its input.

    README.md in the folder describes each step, examples.json has what each makes of some texts.
    """
    from unroll.export.folder import export_model  # imported when needed: `unroll --help` should be fast

    config = export_model(models, output)
    cell, name = config.cell.upper(), make_printable(str(output))
    network = f"{'bidirectional ' if config.bidirectional else ''}{cell}, {config.classes} classes"
    print(f"{name}/model.onnx: {network}; {name}/README.md says how to use it")
