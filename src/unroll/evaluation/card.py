"""The model card: models/README.md, Markdown after a YAML header in the format that model hubs read.

The format is that of Hugging Face (https://huggingface.co/docs/hub/model-cards), which follows Mitchell et al. 2019,
Model Cards for Model Reporting (FAT*).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from unroll.base.errors import hide_password, make_printable
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import DataParams, TextParams

CLASSES, MISTAKES, SOURCES = 100, 5, 20  # that are shown at most
SHOWN, LONGEST_NAME = 200, 80  # characters of a text, and of a name
FEW = 1000  # test rows: with fewer, an interval of macro-F1 is some three points wide or more
UNEQUAL = 5  # times as many training rows as the smallest class has
DATA_SETS = {  # known to everybody, if they come from where they are published
    "sample": "the sample, whose texts were written for the repository of this model",
    "ag_news": "AG News",
    "imdb": "the Large Movie Review Dataset",
}
SPLITTING = {"random": "by class, at random", "hash": "by the hash of each text"}
# What Markdown, its tables, and the extensions for links, formulas and emoji read; and characters that YAML refuses.
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~$:@]|(?<=www)\.", re.IGNORECASE)
_UNWRITABLE = re.compile("[\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Facts:
    """What a card is made from.

    config: models/config.json; metrics: of each file in metrics/ that the card quotes, by name without `.json`;
    mistakes: the rows of metrics/mistakes.csv.
    """

    params: TextParams
    config: dict[str, Any]
    metrics: dict[str, Any]
    mistakes: pd.DataFrame

    @property
    def quotes_texts(self) -> bool:
        """Whether the card, which Git keeps, quotes texts: unless asked to, none of a table that is not public."""
        chosen = self.params.evaluate.card_texts
        return is_public(self.params.data) if chosen == "auto" else chosen


def render_card(facts: Facts) -> str:
    """Return the model card. The same facts give the same bytes.

    Names and texts come from strangers: whatever Markdown, HTML or YAML would read in them is escaped.
    """
    params, metrics = facts.params, facts.metrics
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: escape_markdown(value) if type(value) is str else value,
    )
    environment.filters |= {
        "number": lambda value: f"{value:,}",
        "percent": lambda share: f"{100 * share:.1f}",
        "quote": quote_yaml,
        "score": lambda value: f"{value:.4f}",
        "signed": lambda value: f"{value:+.4f}",
        "name": lambda name: cut(name, LONGEST_NAME),
        "text": lambda text: cut(text, SHOWN),
    }
    classes, rows = metrics["per_class"]["classes"], metrics["per_class"]["rows"]
    shown = sorted(classes, key=lambda name: classes[name]["f1"])[:CLASSES] if len(classes) > CLASSES else list(classes)
    by_rows = sorted(rows["train"], key=rows["train"].__getitem__)
    return environment.get_template("card.md.jinja").render(
        title=f"{facts.config['cell']} on {params.data.dataset}",
        data_name=name_data(params.data),
        is_public=is_public(params.data),
        params=params,
        config=facts.config,
        **{name: metrics[name] for name in ("data", "tokens", "train", "test", "baseline")},
        sources=sorted(metrics["data"]["sources"].items())[:SOURCES],
        other_sources=max(0, len(metrics["data"]["sources"]) - SOURCES),
        dropped=[(reason.replace("_", " "), count) for reason, count in metrics["data"]["dropped"].items() if count],
        splitting=SPLITTING[params.split.method],
        splits=[(name, sum(rows[name].values()), metrics["tokens"][name]) for name in SPLIT_NAMES],
        is_small=sum(rows["test"].values()) < FEW,
        classes=[
            (name, classes[name], rows["train"][name], metrics["baseline_per_class"]["classes"][name]) for name in shown
        ],
        has_more_classes=len(shown) < len(classes),
        extremes=[(name, rows["train"][name]) for name in (by_rows[-1], by_rows[0])],
        is_unequal=rows["train"][by_rows[-1]] > UNEQUAL * rows["train"][by_rows[0]],
        mistakes=facts.mistakes.head(MISTAKES).to_dict("records"),
        with_texts=facts.quotes_texts,
    )


def drop_header(card: str) -> str:
    """Return what stands after the YAML header and the title, for a place that has a title of its own."""
    return card.partition("\n# ")[2].partition("\n")[2].lstrip("\n")


def is_public(data: DataParams) -> bool:
    """Whether anybody can read the data. What a file of one's own holds, nobody knows, whatever data set it is for."""
    return data.dataset in DATA_SETS and not data.location


def name_data(data: DataParams) -> str:
    """Return what a card calls the data: a data set, an address, or a file without its place on a machine."""
    if not data.location:
        return DATA_SETS.get(data.dataset, data.dataset)
    return hide_password(data.url) if data.url else Path(data.file).name


def cut(text: str, most: int) -> str:
    """Return the beginning of a long text, with an ellipsis."""
    return text if len(text) <= most else f"{text[:most]}…"


def escape_markdown(text: str) -> str:
    """Return a text as one line of which Markdown, in a table or not, reads nothing but the text.

    Entities are right everywhere; a backslash before a bar is not, if the text has another before it.
    """
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", _print(text))


def quote_yaml(text: str) -> Markup:
    """Return a text as a YAML string in quotes: JSON's are YAML's, too."""
    return Markup(json.dumps(_print(text), ensure_ascii=False))


def _print(text: str) -> str:
    return _UNWRITABLE.sub(lambda found: repr(found[0])[1:-1], make_printable(text))
