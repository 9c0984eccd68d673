"""data/splits/ → data/tokens/, models/tokenizer.json, models/labels.json, metrics/tokens.json: texts as numbers."""

import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from unroll.base.files import replace_when_done, write_json
from unroll.base.process import run_stage
from unroll.data.parquet import read_record_batches, read_split
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import read_text_params
from unroll.text.coverage import Coverage, count_unspaced, describe_cut, describe_unknown, describe_unspaced
from unroll.text.encode_columns import ColumnTokenizer, make_column_tokenizer
from unroll.text.ngrams import make_hasher
from unroll.text.tokens import Tokens, flatten_ngrams, save_tokens
from unroll.text.vocabulary import train_tokenizer

SPLITS, TOKENS, MODELS = Path("data/splits"), Path("data/tokens"), Path("models")


def main() -> None:
    params = read_text_params()
    # Everything here is learned from the training split alone. Words of whole contexts get vectors by pretraining;
    # without it, nothing would be known about those that are in no excerpt.
    if params.pretrain.method == "none":
        batches = read_split(SPLITS, "train", "text")
    else:
        batches = read_record_batches(SPLITS / "train.parquet", "text", "context")
    texts = (column.to_pylist() for batch in batches for column in batch.columns)
    tokenizer = train_tokenizer(texts, params.tokenize)
    names = (batch["label"].unique().to_pylist() for batch in read_split(SPLITS, "train", "label"))
    class_names = sorted(set(chain.from_iterable(names)))
    column_tokenizer, hash_text = make_column_tokenizer(tokenizer), make_hasher(params.tokenize.max_tokens)
    shares = {}
    for split in SPLIT_NAMES:
        coverage = Coverage()
        parts = encode_split(split, column_tokenizer, hash_text, class_names, coverage)
        save_tokens(parts, TOKENS, split)
        shares[split] = coverage.summarize()
    with replace_when_done(MODELS / "tokenizer.json") as temporary:
        temporary.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")  # its own `save` hides the error
    write_json(MODELS / "labels.json", class_names)
    write_json(Path("metrics/tokens.json"), shares)
    gaps = describe_cut(shares["train"], params.tokenize.max_tokens)
    gaps += describe_unknown(validation=shares["val"], test=shares["test"])
    if params.tokenize.level == "word":
        counts = [count_unspaced(batch["text"]) for batch in read_record_batches(SPLITS / "train.parquet", "text")]
        gaps += describe_unspaced(*map(sum, zip(*counts, strict=True)))
    for gap in gaps:
        print(f"warning: {gap}", file=sys.stderr)
    print(f"tokenize: {tokenizer.get_vocab_size():,} {params.tokenize.level} tokens in the vocabulary")


def encode_split(
    split: str,
    column_tokenizer: ColumnTokenizer,
    hash_text: Callable[[str], np.ndarray],
    class_names: list[str],
    coverage: Coverage,
) -> Iterator[Tokens]:
    """Yield the texts and labels of each batch as numbers; count in `coverage` what is cut or unknown."""
    names = pa.array(class_names)
    for batch in tqdm(read_split(SPLITS, split, "text", "label"), f"tokenize {split}", unit=" batches", disable=None):
        ids, offsets, cut = column_tokenizer.encode(batch["text"])
        coverage.count(ids, cut)
        labels = pc.index_in(batch["label"], names).to_numpy().astype(np.int64)
        yield Tokens(ids, offsets, labels, *flatten_ngrams([hash_text(text) for text in batch["text"].to_pylist()]))


if __name__ == "__main__":
    run_stage(main)
