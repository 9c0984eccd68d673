"""The page about the table: one file of HTML, which needs neither scripts nor a network."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from unroll.base.errors import make_printable
from unroll.look.drops import RawRow
from unroll.look.near import THRESHOLD
from unroll.look.summary import PERCENTILES, Summary, choose_examples, find_longest
from unroll.look.texts import CHARACTERS
from unroll.params.common import SPLIT_NAMES

CLASSES, EXAMPLES, PAIRS, LONGEST, WORDS = 40, 5, 20, 5, 20  # that are shown at most
SHOWN = 300  # characters of a text
REASONS = {
    "missing": "no text or no label",
    "unknown_class": "a label that is none of the data set's classes",
    "empty_after_cleaning": "a text that cleaning leaves empty",
    "conflicting_label": "the same text as a row with another label; all of them are dropped",
    "in_test": "a training row whose text is also in the test split, which keeps it",
    "duplicate": "the same text and label as another row, which is kept",
}


def render_page(name: str, counted: dict[str, Any], drops: dict[str, list[RawRow]], summary: Summary) -> str:
    """Return the page as HTML; name: of the data set; counted: what metrics/data.json has; drops: examples.

    The same data give the same bytes. Texts and names come from strangers: Jinja2 escapes what HTML would read, and
    `make_printable` what would turn around or hide a text; the page also forbids scripts and requests.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: make_printable(value) if type(value) is str else value,
    )
    environment.filters["cut"] = cut_text
    looked_at, counts = summary.rows.looked_at, summary.rows.counts
    classes = counts.index.tolist()[:CLASSES]
    return environment.get_template("page.html").render(
        name=name,
        counted=counted,
        drops=drops,
        reasons=REASONS,
        summary=summary,
        splits=SPLIT_NAMES,
        sizes=counts.sum().to_dict(),
        largest=int(counts.sum(axis=1).max()),
        classes=[(label, counts.loc[label].to_dict()) for label in classes],
        percentiles=["longest" if percent == 100 else f"{percent} %" for percent in PERCENTILES],
        tallest=max(count for _, _, count in summary.histogram),
        scripts=sorted({script for found in summary.scripts.values() for script in found}),
        longest=find_longest(looked_at, LONGEST),
        examples=[(label, choose_examples(looked_at, label, EXAMPLES)) for label in classes],
        most={"classes": CLASSES, "pairs": PAIRS, "words": WORDS, "characters": CHARACTERS},
        threshold=THRESHOLD,
    )


def cut_text(text: str) -> str:
    """Return the beginning of a long text, with an ellipsis."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
