"""What is learned is learned from the training rows alone: the stages themselves, byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from unroll.stages import baseline, preprocess, pretrain, split, tokenize, train
from unroll.text.tokens import PADDING_ID, UNKNOWN_ID
from unroll.text.vocabulary import list_tokens, load_tokenizer

DEFAULTS = Path(__file__).parents[2] / "params.yaml"
CHANGES = {
    "split": {"context_words": 2},
    "data": {"dataset": "csv", "file": "train.csv", "context_column": "lead"},
    "pretrain": {"epochs": 1, "least_words": 0},
    "model": {"embedding_size": 8, "hidden_size": 8},
    "train": {"class_weights": True, "portable": False},  # this process has imported NumPy
    "tracking": {"enabled": False},
}
WEIGHTS = "models/model.safetensors"
LEARNED = (
    "data/splits/train.parquet",
    "data/splits/excerpts.parquet",
    "data/vectors.npy",
    "models/tokenizer.json",
    "models/labels.json",
    WEIGHTS,
)
# What is chosen by validation as well: the best epoch, the temperature.
CHOSEN = ("models/config.json", "models/linear/model.safetensors", "metrics/train.json", "metrics/plots/history.csv")
BASELINE = ("c", "temperature", "val_macro_f1", "parameters")
FROM_SPLITS = (tokenize, pretrain, train)
ALL = (preprocess, split, *FROM_SPLITS, baseline)

Row = tuple[str, str, str]  # text, label, context
KNOWN = ("goal", "match", "team", "share", "market", "profit")
TRAIN_ROWS = [
    (f"{word} number {number} {KNOWN[number % 6]}", "ab"[place > 2], f"more of {word}")
    for place, word in enumerate(KNOWN)
    for number in range(12)
]
HELD_ROWS = [("unseen goal", "a", "unseen market"), ("unseen profit", "b", "unseen team")]
# Words from training and any others, but no training text, which preprocess would rightly drop there.
WORDS = st.sampled_from(KNOWN) | st.text(min_size=1, max_size=6)
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map(lambda words: " ".join(["unseen", *words]))
TABLES = st.lists(st.tuples(TEXTS, st.sampled_from("ab"), TEXTS), max_size=40).map(lambda rows: HELD_ROWS + rows)
# Each example is a whole run, so there are few; failures are not shrunk, which would take minutes.
few = settings(max_examples=5, phases=[Phase.generate])


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that runs the stages in a new current folder, for so many epochs."""
    monkeypatch.chdir(tmp_path)

    def run_all(epochs: int) -> None:
        params = YAML().load(DEFAULTS)
        for section, values in CHANGES.items():
            params[section].update(values)
        params["train"]["epochs"] = epochs
        YAML().dump(params, Path("params.yaml"))
        Path("data/raw").mkdir(parents=True, exist_ok=True)
        sources = [{"part": part, "name": f"{part}.csv", "sha256": "", "bytes": 0} for part in ("train", "test")]
        Path("data/raw/sources.json").write_text(json.dumps(sources))
        write_raw("train", TRAIN_ROWS)
        write_raw("test", HELD_ROWS)
        run(*ALL)

    return run_all


def write_raw(part: str, rows: list[Row]) -> None:
    pd.DataFrame(rows, columns=["text", "label", "lead"]).to_csv(f"data/raw/{part}.csv", index=False)


def write_val(rows: list[Row]) -> None:
    path = Path("data/splits/val.parquet")
    table = pd.DataFrame(rows, columns=["text", "label", "context"]).assign(part="train", row=1)
    pq.write_table(pa.Table.from_pandas(table, pq.read_schema(path), preserve_index=False), path)


def run(*stages) -> None:
    for stage in stages:
        stage.main()


def read_files(*names: str) -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in names}


def read_choice() -> dict[str, float]:
    scores = json.loads(Path("metrics/baseline.json").read_text())
    return {name: scores[name] for name in BASELINE}


def test_whatever_the_test_rows_everything_that_is_learned_or_chosen_stays_the_same(prepare) -> None:
    prepare(epochs=3)
    learned, choice, tested = read_files(*LEARNED, *CHOSEN), read_choice(), read_files("data/tokens/test.ids.npy")

    @few
    @given(TABLES)
    def check(rows: list[Row]) -> None:
        write_raw("test", rows)
        run(*ALL)
        assert read_files(*LEARNED, *CHOSEN) == learned
        assert read_choice() == choice

    check()
    write_raw("test", [*HELD_ROWS, ("unseen match", "a", "")])
    run(*ALL)
    assert read_files("data/tokens/test.ids.npy") != tested  # they are read, and go elsewhere


def test_whatever_the_validation_rows_everything_that_is_learned_stays_the_same(prepare) -> None:
    """With one epoch: of several, the best is chosen by validation, which is what validation is for."""
    prepare(epochs=1)
    learned, chosen = read_files(*LEARNED), read_files("metrics/train.json")

    @few
    @given(TABLES)
    def check(rows: list[Row]) -> None:
        write_val(rows)
        run(*FROM_SPLITS)
        assert read_files(*LEARNED) == learned

    check()
    write_val(HELD_ROWS)
    run(*FROM_SPLITS)
    assert read_files("metrics/train.json") != chosen


def test_other_training_rows_teach_something_else(prepare) -> None:
    prepare(epochs=1)
    learned = read_files(*LEARNED)
    write_raw("train", [*TRAIN_ROWS, ("an entirely new word", "a", "and its lead")])
    run(*ALL)
    changed = {name for name, content in read_files(*LEARNED).items() if content != learned[name]}
    assert changed == set(LEARNED) - {"models/labels.json"}


def test_of_the_vectors_those_of_training_words_alone_are_trained(prepare) -> None:
    prepare(epochs=1)
    # Each context once: those that validation rows have, too, are withheld.
    write_raw("train", [(text, label, f"lead of row {row}") for row, (text, label, _) in enumerate(TRAIN_ROWS)])
    run(*ALL)
    met = set(np.load("data/tokens/train.ids.npy").tolist()) | {PADDING_ID, UNKNOWN_ID}
    weights, start = load_file(WEIGHTS), np.load("data/vectors.npy")
    embedding = weights["embedding.weight"]
    others = sorted(set(range(len(embedding))) - met)
    names = list_tokens(load_tokenizer(Path("models/tokenizer.json")))
    assert "row" in {names[number] for number in others} and {"lead", "of"} <= {names[number] for number in met}
    assert (embedding[others] == start[others]).all() and (embedding[2:] != start[2:]).any()
    trained = sum(weight.size for weight in weights.values()) - embedding[others].size - weights["ngrams.idf"].size
    assert json.loads(Path("metrics/train.json").read_text())["parameters"] == trained
