"""data/splits/ → data/tokens/, models/tokenizer.json, models/labels.json, metrics/tokens.json: texts as numbers."""

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tqdm import tqdm

from unroll.base.files import open_scratch, replace_when_done, write_json
from unroll.base.parts import Workers, open_workers
from unroll.base.process import run_stage
from unroll.data.parquet import read_record_batches, read_split
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import TextParams, read_text_params
from unroll.text.coverage import Coverage, count_unspaced, describe_cut, describe_unknown, describe_unspaced
from unroll.text.encode_columns import encode_part
from unroll.text.frequencies import count_tokens, find_most_frequent
from unroll.text.tokens import PADDING_ID, UNKNOWN_ID, Tokens, save_tokens
from unroll.text.vocabulary import make_tokenizer, train_tokenizer

SPLITS, TOKENS, MODELS = Path("data/splits"), Path("data/tokens"), Path("models")


def main() -> None:
    params = read_text_params()
    # Everything here is learned from the training split alone.
    names = (batch["label"].unique().to_pylist() for batch in read_split(SPLITS, "train", "label"))
    class_names = sorted(set(chain.from_iterable(names)))
    shares = {}
    with open_workers() as workers:
        tokenizer = learn_tokenizer(params, workers)
        encode = partial(encode_part, tokenizer.to_str(), params.tokenize.max_tokens, class_names)
        for split in SPLIT_NAMES:
            coverage = Coverage()
            batches = read_split(SPLITS, split, "text", "label")
            parts = tqdm(workers.map(encode, batches), f"tokenize {split}", unit=" batches", disable=None)
            save_tokens(count_gaps(parts, coverage), TOKENS, split)
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


def learn_tokenizer(params: TextParams, workers: Workers) -> Tokenizer:
    """Learn the vocabulary from the training texts.

    Words of whole contexts get vectors by pretraining; without it, nothing would be known about those that are in no
    excerpt. Pieces of words are learned in this process, which then holds all distinct words.
    """
    if params.pretrain.method == "none":
        batches = read_split(SPLITS, "train", "text")
    else:
        batches = read_record_batches(SPLITS / "train.parquet", "text", "context")
    columns = (batch.columns for batch in batches)
    if params.tokenize.level == "bpe":
        return train_tokenizer((texts.to_pylist() for batch in columns for texts in batch), params.tokenize)
    most, least = params.tokenize.vocabulary_size - len({PADDING_ID, UNKNOWN_ID}), params.tokenize.min_count
    with open_scratch(TOKENS / "train.ids.npy") as folder:
        counts = workers.map(partial(count_tokens, by_character=params.tokenize.level == "char"), columns)
        return make_tokenizer(find_most_frequent(counts, folder / "counts", most, least), params.tokenize)


def count_gaps(parts: Iterable[tuple[Tokens, np.ndarray]], coverage: Coverage) -> Iterator[Tokens]:
    """Yield the parts; count in `coverage` what is cut or unknown."""
    for tokens, cut in parts:
        coverage.count(tokens.ids, cut)
        yield tokens


if __name__ == "__main__":
    run_stage(main)
