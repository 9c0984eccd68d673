"""The benchmarks compare like with like, and say what they measured. No time is measured here."""

import csv
import subprocess
import sys

import pytest
import torch
from benchmarks import textbook
from benchmarks.epochs import LAYERS, build_textbook
from benchmarks.measure import Comparison, Section, add, at_least, at_most
from benchmarks.report import write_report

from builders import make_config
from unroll.models.classifier import TextClassifier
from unroll.params.texts import read_text_params
from unroll.stages.preprocess import choose_cleaning
from unroll.text.clean import clean_text
from unroll.text.vocabulary import encode_texts, train_tokenizer
from workspaces import ROOT


@pytest.mark.parametrize("stop_words", ["keep", "drop"])
def test_the_textbooks_ids_are_the_packages(stop_words: str) -> None:
    with (ROOT / "data" / "sample" / "headlines.csv").open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)] + [
            "Caf\u00e9&amp;lt;b&amp;gt; don\u2019t the #39;s \\$5 AT&T",
            "the",
        ]
    params = read_text_params(ROOT / "params.yaml")
    cleaning = choose_cleaning(params.preprocess.model_copy(update={"stop_words": stop_words}), "ag_news")
    cleaned = [clean_text(text, cleaning) for text in texts]
    ids = encode_texts(train_tokenizer([cleaned], params.tokenize), cleaned)

    pattern = textbook.compile_stop_words(cleaning.stop_words)
    cleaned = [textbook.clean_text(text, pattern) for text in texts]
    vocabulary = textbook.build_vocabulary(cleaned, params.tokenize.vocabulary_size, params.tokenize.min_count)
    assert [textbook.encode_text(text, vocabulary, params.tokenize.max_tokens) for text in cleaned] == ids


@pytest.mark.parametrize(("cell", "bidirectional"), LAYERS)
def test_the_textbooks_mathematics_is_the_packages(cell: str, bidirectional: bool) -> None:
    """With the same weights; but for a backward direction on padded batches, which reads padding first."""
    config = make_config(cell=cell, bidirectional=bidirectional, pooling="last")
    ours = TextClassifier(config).eval()
    texts = [[5, 3, 8], [9, 4, 2, 7, 6], [3]]
    ids, lengths, _ = textbook.pad_batch([(text, 0) for text in texts])
    for packed in (True, False):
        other = build_textbook(config, packed).eval()
        other.embedding.load_state_dict(ours.embedding.state_dict())
        other.rnn.load_state_dict(ours.encoder.layers.state_dict())
        other.linear.load_state_dict(ours.head.state_dict())
        same = torch.allclose(other(ids, lengths), ours(ids, lengths), atol=1e-6)
        assert same is (packed or not bidirectional)


IMPORTS_OF_EACH_LAYER = """
import sys
from pathlib import Path
from benchmarks import epochs
from benchmarks.rows import Headlines, Split
from unroll.params.texts import read_text_params
from unroll.text.tokens import Tokens

split = Split([], Tokens.from_lists([[2, 3, 4], [3, 2]] * 40, [0, 1] * 40))
params = read_text_params()
headlines = Headlines("", "", [], split, split, ["a", "b"], 5, params, Path())
measure = epochs._measure_layer

def watch(*arguments):
    before = set(sys.modules)
    figures = measure(*arguments)
    print(len(sys.modules.keys() - before))
    return figures

epochs._measure_layer = watch
epochs.measure_epochs(headlines, rows=64, rounds=1)
"""


def test_what_pytorch_imports_in_the_first_step_is_not_measured() -> None:
    command = [sys.executable, "-c", IMPORTS_OF_EACH_LAYER]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (result.stdout.split(), result.stderr) == (["0"] * len(LAYERS), "")


def test_a_ratio_is_that_of_the_medians() -> None:
    comparison = Comparison(ours=[1.0, 2.0, 9.0], textbook=[6.0, 6.0, 9.0])
    assert comparison.ratio == 3
    assert comparison.spread == (1, 6)
    assert add(comparison, comparison) == Comparison([2.0, 4.0, 18.0], [12.0, 12.0, 18.0])


def test_the_report_says_which_targets_are_met() -> None:
    checks = [at_least("epoch", 2.6, 2.6), at_most("start", 1.3, 1.2, "s")]
    section = Section("Epoch", "How it was measured.", ("layer", "ratio"), [("GRU", "2.6 ×")], checks)
    report = write_report("make bench", False, [("processor", "one")], [section])
    for line in (
        "| processor | one |",
        "| epoch | ≥ 2.6 × | 2.60 × | met |",
        "| start | ≤ 1.2 s | 1.3 s | **not met** |",
        "## Epoch\n\nHow it was measured.\n\n| layer | ratio |\n| --- | --- |\n| GRU | 2.6 × |\n",
    ):
        assert line in report
