"""The rows that are measured: real ones if available, else the sample; and throw-away copies of the repository."""

import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from unroll.base.files import compute_hash, read_json
from unroll.data.datasets import choose_layout, read_rows
from unroll.params.texts import TextParams, read_text_params
from unroll.text.tokens import Tokens, load_tokens
from unroll.text.vocabulary import load_tokenizer

ROOT = Path(__file__).parents[1]
REAL_ROWS = ROOT.parent / "shared" / "data" / "ag_news" / "train.csv"
SAMPLE = ROOT / "data" / "sample" / "headlines.csv"


@dataclass(frozen=True)
class Split:
    """Rows of a split: the texts as published, [rows]; and what the pipeline made of them."""

    texts: list[str]
    tokens: Tokens


@dataclass(frozen=True)
class Headlines:
    """The rows, and the copy of the repository in which the pipeline has read them, up to its stage tokenize."""

    name: str
    sha256: str
    texts: list[str]
    train: Split
    val: Split
    class_names: list[str]
    vocabulary_size: int
    params: TextParams
    folder: Path


def copy_repository(folder: Path) -> None:
    """Copy the files that Git tracks or would track, as they are now, into a repository of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, "git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "-m", "copy")


def run(folder: Path, *command: str) -> None:
    """Run a command in a copy of the repository, free of settings from outside; fail with its output."""
    foreign = ("DVC_", "MLFLOW_", "GIT_", "MAKE", "PYTHON", "TOKENIZERS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        command,
        cwd=folder,
        env=kept | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {result.returncode}:\n{result.stdout}")


def prepare_headlines(folder: Path, file: Path | None, pretrain: str) -> Headlines:
    """Let the pipeline read the rows, up to its stage tokenize, in `folder`, a new copy of the repository.

    file: in the layout of AG News, or None for the sample. pretrain: `pretrain.method`, on which the vocabulary
    depends.
    """
    copy_repository(folder)
    yaml = YAML()
    values = yaml.load(folder / "params.yaml")
    values["pretrain"]["method"] = pretrain
    values["split"]["context_words"] = 0  # the rows that are published, and no more
    if file:
        values["data"] |= {"dataset": "ag_news", "file": str(file.resolve()), "sha256": None}
    yaml.dump(values, folder / "params.yaml")
    run(folder, "dvc", "repro", "tokenize")
    params = read_text_params(folder / "params.yaml")
    source = file or SAMPLE
    texts = [text for chunk in read_rows(source, choose_layout(params.data)) for text in chunk["text"]]
    return Headlines(
        name=f"AG News, titles of {file.name}" if file else "the sample in the repository",
        sha256=compute_hash(source, "sha256"),
        texts=texts,
        train=_read_split(folder, "train", texts),
        val=_read_split(folder, "val", texts),
        class_names=read_json(folder / "models" / "labels.json"),
        vocabulary_size=load_tokenizer(folder / "models" / "tokenizer.json").get_vocab_size(),
        params=params,
        folder=folder,
    )


def limit_rows(headlines: Headlines, train_rows: int, val_rows: int) -> Headlines:
    """Return the headlines with splits of at most so many rows."""
    return replace(
        headlines, train=_limit_split(headlines.train, train_rows), val=_limit_split(headlines.val, val_rows)
    )


def tile_texts(texts: list[str], rows: int) -> list[str]:
    """Return so many texts, starting over if there are not enough."""
    return list(itertools.islice(itertools.cycle(texts), rows))


def take_rows(tokens: Tokens, rows: int) -> Tokens:
    """Return the first rows of a split in memory, starting over if there are not enough."""
    numbers = np.arange(rows) % len(tokens)
    texts = split_ids(tokens)
    return Tokens.from_lists([texts[number] for number in numbers], tokens.labels[numbers].tolist())


def split_ids(tokens: Tokens) -> list[list[int]]:
    """Return the ids of each text as a list, the way the textbook wants them."""
    return [text.tolist() for text in np.split(np.array(tokens.ids), tokens.offsets[1:-1])]


def _limit_split(split: Split, rows: int) -> Split:
    return Split(split.texts[:rows], take_rows(split.tokens, min(rows, len(split.tokens))))


def _read_split(folder: Path, name: str, texts: list[str]) -> Split:
    """Find the texts as published of the rows of a split; they count from 1."""
    rows = pq.read_table(folder / "data" / "splits" / f"{name}.parquet", columns=["row"])["row"].to_pylist()
    return Split([texts[row - 1] for row in rows], load_tokens(folder / "data" / "tokens", name))
