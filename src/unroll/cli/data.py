"""unroll data: what is in the table, before anything is trained on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unroll.base.errors import InputError, make_printable

if TYPE_CHECKING:
    from unroll.look.summary import Summary


def data(
    output: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("data.html"),
) -> None:
    """Tell what is in the table, and write a page about it with examples. It needs what `dvc repro split` makes."""
    from unroll.base.files import read_json, replace_when_done
    from unroll.look.drops import METRICS, find_examples
    from unroll.look.page import EXAMPLES, render_page
    from unroll.look.summary import summarize
    from unroll.look.texts import collect_words, read_splits
    from unroll.params.texts import read_text_params

    if output.suffix != ".html":
        raise InputError(f"--output {output}: expected a name that ends in .html")
    params = read_text_params()
    counted = read_json(METRICS)
    rows = read_splits()
    if rows.total != counted["rows_out"]:
        found = f"data/splits has {rows.total:,} rows, {METRICS} counts {counted['rows_out']:,}"
        raise InputError(f"{found}: `dvc repro split` mends that")
    drops = find_examples(params, EXAMPLES)
    summary = summarize(rows, collect_words())
    name = Path(params.data.location).name if params.data.location else params.data.dataset
    page = render_page(name, counted, drops, summary)
    with replace_when_done(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print("\n".join(describe(counted, summary)))
    print(f"examples of all of this: {make_printable(str(output))}")


def describe(counted: dict[str, Any], summary: "Summary") -> list[str]:
    """Return a few lines about the table; counted: what metrics/data.json has."""
    from unroll.params.common import SPLIT_NAMES

    counts = summary.rows.counts
    dropped = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in counted["dropped"].items() if count]
    of_class = counts.sum(axis=1)
    letters = {name: sum(found.get(name, 0) for found in summary.scripts.values()) for name in list_scripts(summary)}
    shares = [f"{name} {count / sum(letters.values()):.1%}" for name, count in letters.items()]
    near = [
        f"{len(one.similarity):,} of {one.rows:,} {one.split} rows are like a {one.other} row"
        + f" ({one.disagreeing:,} with another label)" * bool(one.disagreeing)
        for one in summary.near
    ]
    looked_at = len(summary.rows.looked_at)
    return [
        f"{counted['rows_in']:,} rows, {counted['rows_out']:,} kept"
        + f"; dropped: {', '.join(dropped)}" * bool(dropped),
        f"splits: {', '.join(f'{name} {int(counts[name].sum()):,}' for name in SPLIT_NAMES)}",
        f"{len(counts):,} classes, of {int(of_class.min()):,} to {int(of_class.max()):,} rows",
        *(
            [f"the rest is of {looked_at:,} rows, chosen at random; of all, more have near-duplicates"]
            if looked_at < summary.rows.total
            else []
        ),
        f"words of a training text: {summary.lengths['words']['train'][2]:,} in the middle, "
        f"{summary.lengths['words']['train'][-1]:,} at most",
        f"letters: {', '.join(shares) or 'none'}",
        f"unknown words: {', '.join(f'{name} {summary.unknown[name].share:.1%}' for name in ('val', 'test'))}",
        f"near-duplicates: {'; '.join(near)}",
    ]


def list_scripts(summary: "Summary") -> list[str]:
    """Return the scripts of all splits, each once."""
    return list(dict.fromkeys(script for found in summary.scripts.values() for script in found))
