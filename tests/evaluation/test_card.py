"""The model card, as a hub and a reader of Markdown read it."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from builders import make_config
from cards import find_strange_numbers, list_rows
from unroll.base.errors import make_printable
from unroll.evaluation.card import (
    CLASSES,
    MISTAKES,
    Facts,
    _print,
    drop_header,
    escape_markdown,
    name_data,
    render_card,
)
from unroll.params.texts import read_text_params
from workspaces import ROOT

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN = ("text", "text_special")  # the latter is what an entity stands for
HOSTILE = [
    "a|b",
    "a\\|b",
    "`code`",
    "```",
    "**bold** _it_ ~~no~~",
    "<script>alert(1)</script>",
    "<!--",
    "&lt;",
    "![x](https://example.org/x.png)",
    "[x](javascript:alert(1))",
    "https://example.org www.example.org a@example.org",
    "a\nb\n---\n# c",
    "\u2028- item\x85",
    "$x$ :smile:",
    "{{ 7 * 7 }} {% raw %}",
    "समाचार и новости 新闻",
    "\u202eevil\ufeff\uffff",
    'yes: "no" \\',
]


def make_facts(
    names: list[str],
    texts: Sequence[str] = ("a text",),
    data: Mapping[str, Any] | None = None,
    **options: Any,
) -> Facts:
    """Return facts about classes of these names and mistakes of these texts; data, options: changed parameters."""
    random = np.random.default_rng(0)

    def score(*keys: str) -> dict[str, float]:
        return {key: round(float(random.random()), 6) for key in keys}

    def count() -> dict[str, int]:
        return {name: int(random.integers(1, 500)) for name in names}

    rows = {split: count() for split in ("train", "val", "test")}
    keys = ("f1", "f1_low", "f1_high", "precision", "recall")
    classes = {name: score(*keys) | {"support": rows["test"][name]} for name in names}
    overall = ("accuracy", "calibration_error", "log_loss", "macro_f1")
    ends = ("macro_f1_low", "macro_f1_high", "over_baseline", "over_baseline_low", "over_baseline_high")
    metrics = {
        "baseline": score(*overall),
        "baseline_per_class": {"classes": {name: score(*keys) for name in names}},
        "data": {"rows_in": 5004, "rows_out": 4000, "dropped": {"missing": 1004, "in_test": 0}}
        | {"sources": {"all": {"bytes": 7, "sha256": "5e" * 32}}},
        "per_class": {"classes": classes, "rows": rows},
        "test": score(*overall, *ends),
        "tokens": {split: score("cut", "unknown") for split in rows},
        "train": {"parameters": 12_345, "batch_size": 64, "epochs": 9, "best_epoch": 5}
        | score("val_loss", "val_macro_f1"),
    }
    mistakes = pd.DataFrame({"text": list(texts), "actual": names[0], "predicted": names[-1], "confidence": 0.912345})
    params = read_text_params(ROOT / "params.yaml")
    params = params.model_copy(
        update={
            "data": params.data.model_copy(update=data or {}),
            "evaluate": params.evaluate.model_copy(update=options),
        }
    )
    config = make_config(classes=len(names), temperature=0.987654).model_dump()
    return Facts(params, config, metrics, mistakes.assign(part="all", row=range(11, 11 + len(texts))))


def read_tokens(text: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return what Markdown's tables and CommonMark make of a text: kind, tag, and what is inside besides plain text."""
    tokens = MARKDOWN.parse(text)
    return [
        (t.type, t.tag, [(child.type, child.tag) for child in t.children or [] if child.type not in PLAIN])
        for t in tokens
    ]


def test_hubs_read_it() -> None:
    facts = make_facts(["Business", "Sports"])
    card = ModelCard(render_card(facts))
    assert (card.data.pipeline_tag, card.data.library_name, card.data.language) == (
        "text-classification",
        "unroll",
        "en",
    )
    assert card.data.tags == ["gru", "pytorch", "safetensors"] and card.data.license is None
    results = {result.metric_name: result for result in card.data.eval_results}
    assert {name: result.metric_value for name, result in results.items()} == {
        "accuracy": facts.metrics["test"]["accuracy"],
        "macro-F1": facts.metrics["test"]["macro_f1"],
    }
    assert {(r.task_type, r.dataset_type, r.dataset_split) for r in results.values()} == {
        ("text-classification", "sample", "test")
    }
    assert str(card) == str(ModelCard(str(card)))  # and writes it so that it is read again
    assert render_card(facts) == render_card(facts)


@pytest.mark.parametrize("name", ["\ufeffa\ufffe\uffff", "\ud800", "a\x85\u2028b", 'yes: "no" \\', "012"])
def test_a_header_holds_any_name_of_a_file(name: str) -> None:
    card = ModelCard(render_card(make_facts(["a", "b"], data={"dataset": "csv", "file": name})))
    assert card.data.eval_results[0].dataset_name == _print(name)


def test_a_tiny_score_is_a_number() -> None:
    facts = make_facts(["a", "b"])
    facts.metrics["test"]["accuracy"] = 0.00001  # which Python writes as 1e-05, a text in YAML 1.1
    assert ModelCard(render_card(facts)).data.eval_results[0].metric_value == 0.00001


@pytest.mark.parametrize("count", [2, CLASSES, 500])
def test_every_number_is_of_the_metrics(count: int) -> None:
    facts = make_facts([f"class {number}" for number in range(count)], ["a text"] * 9)
    text = render_card(facts)
    assert find_strange_numbers(text, facts) == []
    for right, wrong in (
        ("0.9877", "0.9876"),
        ("12,345", "12,346"),
        (f"[{facts.metrics['test']['macro_f1_low']:.4f}", "[0.0001"),
    ):
        assert right in text and find_strange_numbers(text.replace(right, wrong), facts) != []


def test_the_table_of_classes_is_that_of_the_metrics() -> None:
    facts = make_facts(["Sci/Tech", "World", "a_b"])
    rows = list_rows(render_card(facts), "Scores by class")
    assert [html.unescape(row[0]) for row in rows] == ["Sci/Tech", "World", "a_b"]
    classes, linear = (facts.metrics[name]["classes"] for name in ("per_class", "baseline_per_class"))
    for row, (name, values) in zip(rows, classes.items(), strict=True):
        assert row[1] == f"{values['f1']:.4f} [{values['f1_low']:.4f}, {values['f1_high']:.4f}]"
        assert row[2:5] == [f"{number:.4f}" for number in (values["precision"], values["recall"], linear[name]["f1"])]
        assert row[5:] == [str(values["support"]), str(facts.metrics["per_class"]["rows"]["train"][name])]


def test_the_other_tables_and_sentences_are_those_of_the_metrics() -> None:
    facts = make_facts(["a", "b"])
    text, metrics = render_card(facts), facts.metrics
    test, linear, train, tokens = (metrics[name] for name in ("test", "baseline", "train", "tokens"))
    names = {"accuracy": "accuracy", "log loss": "log_loss", "calibration error": "calibration_error"}
    assert list_rows(text, "Scores") == [
        [
            "macro-F1",
            f"{test['macro_f1']:.4f} [{test['macro_f1_low']:.4f}, {test['macro_f1_high']:.4f}]",
            f"{linear['macro_f1']:.4f}",
        ],
        *([name, f"{test[key]:.4f}", f"{linear[key]:.4f}"] for name, key in names.items()),
    ]
    assert list_rows(text, "Splits") == [
        [name, f"{sum(rows.values()):,}", *(f"{100 * tokens[name][key]:.1f}" for key in ("unknown", "cut"))]
        for name, rows in metrics["per_class"]["rows"].items()
    ]
    assert list_rows(text, "Data") == [["all", 32 * "5e"]]
    told = " ".join(text.split())
    over = "{over_baseline:+.4f} [{over_baseline_low:+.4f}, {over_baseline_high:+.4f}]".format(**test)
    for sentence in (
        f"macro-F1 differs from the baseline's by {over}",
        "Of 5,004 rows, 4,000 were kept. Dropped: 1,004 (missing). ##",
        "recurrent layers: 1, bidirectional, gru, hidden size 12, pooling max",
        "trained parameters: 12,345 ",
        "seed 1, batch size 64, learning rate 0.003; of 9 epochs, epoch 5 was kept",
        f"lowest validation loss ({train['val_loss']:.4f}; validation macro-F1 {train['val_macro_f1']:.4f})",
        "a temperature of 0.9877, fitted to the validation split",
        f"differ by {test['calibration_error']:.4f} on average (expected calibration error, 10 bins)",
        "it reads the first 64 tokens",
        "the package `unroll`, which `make setup` installs in a clone of the repository that this file comes from;",
        "or has too rarely: the embedding has one vector for all of them. |",
    ):
        assert sentence in told


def test_of_many_classes_it_has_the_worst() -> None:
    facts = make_facts([f"class {number}" for number in range(500)])
    text = render_card(facts)
    f1 = {name: values["f1"] for name, values in facts.metrics["per_class"]["classes"].items()}
    assert [row[0] for row in list_rows(text, "Scores by class")] == sorted(f1, key=f1.__getitem__)[:CLASSES]
    assert f"The {CLASSES} classes of the lowest F1; metrics/per_class.json has the others, too." in text


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=90)  # a table has no others


@settings(max_examples=50)
@given(
    st.lists(TEXTS | st.sampled_from(HOSTILE), min_size=2, max_size=5, unique=True),
    st.lists(st.just(300 * "long ") | TEXTS | st.sampled_from(HOSTILE), min_size=1, max_size=MISTAKES + 1),
    st.text(min_size=1) | st.sampled_from(HOSTILE),
)
def test_names_and_texts_of_strangers_stay_text(names: list[str], texts: list[str], file: str) -> None:
    kind = {"dataset": "csv", "file": f"folder/{file.replace('/', '_')}"}
    facts = make_facts(names, texts, kind, card_texts=True)
    text = render_card(facts)
    text.encode()  # so no half of a surrogate pair, which the name of a file may have, is left
    assert "\r" not in text and len(text.splitlines()) == text.count("\n")
    plain = make_facts(
        [f"n{number}" for number in range(len(names))], ["a text"] * len(texts), kind | {"file": "x"}, card_texts=True
    )
    assert read_tokens(drop_header(text)) == read_tokens(drop_header(render_card(plain)))
    shown = [html.unescape(row[0]) for row in list_rows(text, "Scores by class")]
    wanted = [make_printable(name[:80] + "…" * (len(name) > 80)).strip() for name in names]
    assert [_simplify(name) for name in shown] == [_simplify(name) for name in wanted]
    card = ModelCard(text)
    assert _simplify(card.data.eval_results[0].dataset_name) == _simplify(make_printable(name_data(facts.params.data)))


def _simplify(text: str) -> str:
    """Leave out what a card writes otherwise than `make_printable`, and spaces, which Markdown trims."""
    return re.sub(r"[\s\ufeff\ufffe\uffff]|\\ufeff|\\ufffe|\\uffff", "", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_escaped_is_read_as_it_was(text: str) -> None:
    escaped = escape_markdown(text)
    for row in (f"The text {escaped}", f"| {escaped} |\n|---|\n"):
        assert [children for _, _, children in read_tokens(row) if children] == []
        shown = "".join(child.content for token in MARKDOWN.parse(row) for child in token.children or [])
        assert _simplify(shown.removeprefix("The text ")) == _simplify(make_printable(text))
    assert not re.search(r"://|www\.|[<>|`]", escaped)  # what GitHub would make a link


@pytest.mark.parametrize(
    ("dataset", "chosen", "quoted"),
    [
        ("sample", "auto", True),
        ("ag_news", "auto", True),
        ("sample", False, False),
        ("csv", "auto", False),
        ("ag_news of one's own", "auto", False),
        ("csv", True, True),
    ],
)
def test_texts_of_ones_own_table_are_quoted_only_if_one_says_so(dataset: str, chosen: Any, quoted: bool) -> None:
    file = {} if dataset in ("sample", "ag_news") else {"file": "rows.csv"}
    dataset = dataset.removesuffix(" of one's own")
    facts = make_facts(["a", "b"], ["a private text"], {"dataset": dataset} | file, card_texts=chosen)
    text = render_card(facts)
    assert ("a private text" in text) == quoted
    assert ("not quoted here (`evaluate.card_texts`)" in text) != quoted
    assert len(list_rows(text, "Hard examples")) == 1 and "0.9123 | all, 11 |" in text


def test_without_mistakes_there_is_no_table() -> None:
    assert "None are listed." in render_card(make_facts(["a", "b"], []))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"dataset": "csv", "file": "/home/someone/rows.csv"}, "rows.csv"),
        ({"dataset": "csv", "url": "https://example.org/rows.csv?token_of=hunter2"}, "https://example.org/rows.csv?…"),
        ({"dataset": "csv", "url": "s3://bucket/rows.csv"}, "s3://bucket/rows.csv"),
        ({"dataset": "ag_news", "file": "/home/someone/train.csv"}, "train.csv"),
        ({"dataset": "ag_news"}, "AG News"),
    ],
)
def test_data_are_named_without_passwords_and_places_on_a_machine(data: dict[str, Any], name: str) -> None:
    facts = make_facts(["a", "b"], data=data)
    assert name_data(facts.params.data) == name
    assert not re.search("someone|hunter2", html.unescape(render_card(facts)))
    assert (ModelCard(render_card(facts)).data.language is None) == (len(data) > 1)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [(0.01, 0.03, "it is better"), (-0.03, -0.01, "it is worse"), (-0.1, 0.1, "may explain the difference")],
)
def test_it_says_whether_the_network_is_worth_it(low: float, high: float, told: str) -> None:
    facts = make_facts(["a", "b"])
    facts.metrics["test"] |= {"over_baseline_low": low, "over_baseline_high": high}
    sentences = ("it is better", "it is worse", "may explain the difference")
    assert [sentence for sentence in sentences if sentence in render_card(facts)] == [told]


def test_limits_follow_from_the_data() -> None:
    facts = make_facts(["a", "b"])
    rows = facts.metrics["per_class"]["rows"]
    rows["train"], rows["test"] = {"a": 100, "b": 101}, {"a": 900, "b": 900}
    text = render_card(facts)
    assert not any(
        limit in text for limit in ("test split is small", "Classes are unequal", "A warning of its training")
    )
    rows["train"], rows["test"] = {"a": 100, "b": 2000}, {"a": 9, "b": 9}
    facts.metrics["train"]["warnings"] = "never predicted in validation: <b>"
    text = render_card(facts)
    assert "Classes are unequal: b has 2,000 training rows, a 100." in text
    assert "**The test split is small**" in text
    assert "A warning of its training: never predicted in validation&#58; &#60;b&#62;" in text


def test_of_many_files_it_lists_some() -> None:
    facts = make_facts(["a", "b"])
    sources = {f"train/part-{number:02}.csv": {"bytes": 7, "sha256": "5e" * 32} for number in range(30)}
    facts = replace(facts, metrics=facts.metrics | {"data": facts.metrics["data"] | {"sources": sources}})
    text = render_card(facts)
    assert len(list_rows(text, "Data")) == 20 and "metrics/data.json lists 10 more." in text


def test_the_body_begins_after_the_title() -> None:
    card = render_card(make_facts(["a", "b"]))
    assert drop_header(card).startswith("A recurrent network that puts a text into one of 2 classes.")
    assert card.endswith(drop_header(card))
