"""data/splits/ → data/tokens/ and models/tokenizer.json, models/labels.json: texts as ids, labels as numbers."""

from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from unroll.base.files import replace_when_done, write_json
from unroll.base.process import run_stage
from unroll.data.parquet import read_batches
from unroll.params.texts import read_text_params
from unroll.text.encode_columns import ColumnEncoder, make_column_encoder
from unroll.text.tokens import Tokens, save_tokens
from unroll.text.vocabulary import train_tokenizer

SPLITS, TOKENS, MODELS = Path("data/splits"), Path("data/tokens"), Path("models")


def main() -> None:
    params = read_text_params()
    train = SPLITS / "train.parquet"
    # Everything that is learned here is learned from the training split alone. Words of the contexts get vectors by
    # pretraining; without it, there would be nothing to know of them.
    columns = ["text"] if params.pretrain.method == "none" else ["text", "context"]
    texts = (column.to_pylist() for batch in read_batches(train, *columns) for column in batch.columns)
    tokenizer = train_tokenizer(texts, params.tokenize)
    names = (batch["label"].unique().to_pylist() for batch in read_batches(train, "label"))
    class_names = sorted(set(chain.from_iterable(names)))
    encoder = make_column_encoder(tokenizer)
    for split in ("train", "val", "test"):
        batches = read_batches(SPLITS / f"{split}.parquet", "text", "label")
        progress = tqdm(batches, desc=f"tokenize {split}", unit=" batches", disable=None)
        save_tokens((encode_batch(batch, encoder, class_names) for batch in progress), TOKENS, split)
    with replace_when_done(MODELS / "tokenizer.json") as temporary:
        temporary.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")  # its own `save` hides what failed
    write_json(MODELS / "labels.json", class_names)
    print(f"tokenize: {tokenizer.get_vocab_size():,} {params.tokenize.level} tokens in the vocabulary")


def encode_batch(batch: pa.RecordBatch, encoder: ColumnEncoder, class_names: list[str]) -> Tokens:
    """Return the texts and labels of a batch as numbers."""
    ids, offsets = encoder.encode(batch["text"])
    labels = pc.index_in(batch["label"], pa.array(class_names))
    return Tokens(ids, offsets, labels.to_numpy().astype(np.int64))


if __name__ == "__main__":
    run_stage(main)
