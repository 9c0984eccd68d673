"""The stages before training on 50,008 real rows of AG News."""

import csv
import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from unroll.text.clean import Cleaning, clean_text
from unroll.text.tokens import UNKNOWN_ID, load_tokens
from unroll.text.vocabulary import load_tokenizer
from workspaces import Workspace, build_once, set_params

pytestmark = pytest.mark.slow
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def real(ag_news: Path, quick: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository whose splits and tokens are made from the real titles."""

    def build(path: Path) -> Workspace:
        workspace = quick.copy_to(path)
        digest = hashlib.sha256(ag_news.read_bytes()).hexdigest()
        set_params(workspace, "data", dataset="ag_news", file=str(ag_news), sha256=digest)
        workspace.run("dvc", "repro", "tokenize")
        return workspace

    return build_once(tmp_path_factory, "real", build)


def read_split(workspace: Workspace, split: str) -> list[dict]:
    return pq.read_table(workspace.path / "data" / "splits" / f"{split}.parquet").to_pylist()


def test_no_text_stands_in_two_splits_and_every_row_is_accounted_for(real: Workspace) -> None:
    texts = [row["text"] for split in SPLITS for row in read_split(real, split)]
    assert len(texts) == len(set(texts))
    data = json.loads((real.path / "metrics/data.json").read_text())
    assert data["rows_in"] == 50_008
    assert data["rows_out"] == len(texts) == 50_008 - sum(data["dropped"].values())
    assert data["dropped"]["duplicate"] > 500
    assert data["dropped"]["conflicting_label"] > 0


def test_proportions_hold_within_one_row_of_each_class(real: Workspace) -> None:
    counts = {split: {} for split in SPLITS}
    for split in SPLITS:
        for row in read_split(real, split):
            counts[split][row["label"]] = counts[split].get(row["label"], 0) + 1
    totals = json.loads((real.path / "metrics/data.json").read_text())["classes"]
    for name, total in totals.items():
        for split, share in zip(SPLITS, (0.70, 0.15, 0.15), strict=True):
            assert abs(counts[split][name] - share * total) < 1


def test_the_vocabulary_is_that_of_the_training_split_alone(real: Workspace) -> None:
    rows = {split: read_split(real, split) for split in SPLITS}
    words = {
        split: {word for row in rows[split] for name in ("text", "context") for word in row[name].split()}
        for split in SPLITS
    }
    vocabulary = set(load_tokenizer(real.path / "models/tokenizer.json").get_vocab()) - {"<pad>", "<unk>"}
    assert vocabulary == words["train"]
    assert len((words["val"] | words["test"]) - vocabulary) > 1000


def test_changed_validation_and_test_rows_leave_what_was_learned_as_it_was(real: Workspace, tmp_path: Path) -> None:
    workspace = real.copy_to(tmp_path / "repository")
    for split in ("val", "test"):
        path = workspace.path / "data" / "splits" / f"{split}.parquet"
        table = pq.read_table(path)
        words = table.set_column(0, "text", [["entirely new words"] * table.num_rows])
        path.unlink()  # a link into DVC's cache, perhaps
        pq.write_table(words, path)
    before = (workspace.path / "models/tokenizer.json").read_bytes()
    workspace.run("python", "-m", "unroll.stages.tokenize")
    assert (workspace.path / "models/tokenizer.json").read_bytes() == before
    for name in ("ids", "offsets", "labels"):
        file = f"data/tokens/train.{name}.npy"
        assert (workspace.path / file).read_bytes() == (real.path / file).read_bytes()


def test_pretraining_sees_no_text_of_validation_and_test(real: Workspace, ag_news: Path, tmp_path: Path) -> None:
    rows = {split: read_split(real, split) for split in SPLITS}
    contexts = {row["context"] for row in rows["train"]} - {""}
    assert len(contexts) > 25_000
    with ag_news.open(encoding="utf-8", newline="") as file:
        raw = list(csv.reader(file))
    cleaning = Cleaning(**json.loads((real.path / "models/cleaning.json").read_text()))
    for split in ("val", "test"):
        assert not any(row["context"] for row in rows[split])
        assert contexts.isdisjoint(row["text"] for row in rows[split])
        assert contexts.isdisjoint(clean_text(raw[row["row"] - 1][2], cleaning) for row in rows[split])


def test_contexts_begin_with_further_training_texts_that_no_other_split_has(real: Workspace) -> None:
    beginnings = [(" ".join(row["context"].split()[:12]), row["label"]) for row in read_split(real, "train")]
    excerpts = [(row["text"], row["label"]) for row in read_split(real, "excerpts")]
    held_out = {row["text"] for split in ("val", "test") for row in read_split(real, split)}
    assert excerpts == [(text, label) for text, label in beginnings if text and text not in held_out]
    assert len(excerpts) > 25_000


def test_token_arrays_are_the_texts(real: Workspace) -> None:
    tokenizer = load_tokenizer(real.path / "models/tokenizer.json")
    class_names = json.loads((real.path / "models/labels.json").read_text())
    for split in SPLITS:
        tokens, rows = load_tokens(real.path / "data" / "tokens", split), read_split(real, split)
        excerpts = read_split(real, "excerpts") if split == "train" else []
        assert len(tokens) == len(rows) + len(excerpts)
        rows += excerpts
        for number in range(0, len(rows), 97):
            ids = tokens.ids[tokens.offsets[number] : tokens.offsets[number + 1]].tolist()
            words = rows[number]["text"].split()[:64]
            decoded = [tokenizer.id_to_token(token) for token in ids]
            assert [word if token != UNKNOWN_ID else "<unk>" for word, token in zip(words, ids, strict=True)] == decoded
            assert class_names[tokens.labels[number]] == rows[number]["label"]


def test_rows_can_be_traced_to_the_raw_file(real: Workspace, ag_news: Path) -> None:
    import csv

    with ag_news.open(newline="", encoding="utf-8") as file:
        raw = list(csv.reader(file))
    names = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}
    for row in read_split(real, "test")[::101]:
        assert names[raw[row["row"] - 1][0]] == row["label"]
        assert row["text"].split()[0][:2] in raw[row["row"] - 1][1].lower()


def test_all_texts_of_the_data_set_can_be_chosen(real: Workspace, tmp_path: Path) -> None:
    kept = {}
    for text in ("description", "title+description"):
        workspace = real.copy_to(tmp_path / text)
        set_params(workspace, "data", text=text)
        assert workspace.stages_run("dvc", "repro", "preprocess") == ["preprocess"]
        kept[text] = json.loads((workspace.path / "metrics/data.json").read_text())
    assert kept["description"]["dropped"]["missing"] == 3_179
    assert kept["title+description"]["dropped"]["missing"] == 0
    assert kept["title+description"]["words_per_text"]["p50"] > kept["description"]["words_per_text"]["p50"] + 4
