"""data/splits/ → data/tokens/ and models/tokenizer.json, models/labels.json: texts as ids, labels as numbers."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from unroll.errors import run_stage
from unroll.files import replace_when_done, write_json
from unroll.params import read_params
from unroll.tokens import Tokens, concatenate_tokens, save_tokens
from unroll.vocabulary import encode_texts, train_tokenizer

SPLITS, TOKENS, MODELS = Path("data/splits"), Path("data/tokens"), Path("models")
BATCH_ROWS = 20_000


def main() -> None:
    params = read_params()
    # Everything that is learned here is learned from the training split alone. Words of the contexts get vectors by
    # pretraining; without it, there would be nothing to know of them.
    columns = ["text"] if params.pretrain.method == "none" else ["text", "context"]
    tokenizer = train_tokenizer(read_texts("train", columns), params.tokenize)
    class_names = sorted(pc.unique(pq.read_table(SPLITS / "train.parquet", columns=["label"])["label"]).to_pylist())
    numbers = {name: number for number, name in enumerate(class_names)}
    for split in ("train", "val", "test"):
        parts = []
        for texts, labels in tqdm(read_batches(split), desc=f"tokenize {split}", unit=" batches", disable=None):
            parts.append(Tokens.from_lists(encode_texts(tokenizer, texts), [numbers[label] for label in labels]))
        save_tokens(concatenate_tokens(parts), TOKENS, split)
    with replace_when_done(MODELS / "tokenizer.json") as temporary:
        tokenizer.save(str(temporary))
    write_json(MODELS / "labels.json", class_names)
    print(f"tokenize: {tokenizer.get_vocab_size():,} {params.tokenize.level} tokens in the vocabulary")


def read_texts(split: str, columns: list[str]) -> Iterator[list[str]]:
    """Yield the texts of some columns of a split, some thousand at a time."""
    with pq.ParquetFile(SPLITS / f"{split}.parquet") as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            yield from (column.to_pylist() for column in batch.columns)


def read_batches(split: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the cleaned texts and the labels of a split, some thousand rows at a time."""
    with pq.ParquetFile(SPLITS / f"{split}.parquet") as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=["text", "label"]):
            yield batch["text"].to_pylist(), batch["label"].to_pylist()


if __name__ == "__main__":
    run_stage(main)
