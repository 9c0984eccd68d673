"""data/splits/train.parquet → data/vectors.npy: vectors of tokens, learned from the training text or from a file."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from unroll.base.files import find_root, open_scratch, save_array, write_json
from unroll.base.process import run_stage
from unroll.data.download import fetch_cached
from unroll.data.parquet import read_record_batches
from unroll.params.texts import PretrainParams, TextParams, read_text_params
from unroll.text.tokens import PADDING_ID, UNKNOWN_ID
from unroll.text.vocabulary import encode_texts, list_tokens, load_tokenizer
from unroll.vectors.lookup import fill_missing, read_word_vectors
from unroll.vectors.skipgram import count_epochs, learn_vectors, scale_vectors

# Only the training split: the text of validation and test rows must not be seen before they are scored.
TRAIN, TOKENIZER = Path("data/splits/train.parquet"), Path("models/tokenizer.json")
VECTORS = Path("data/vectors.npy")


def main() -> None:
    params = read_text_params()
    tokenizer = load_tokenizer(TOKENIZER)
    tokens = tokenizer.get_vocab_size() - len({PADDING_ID, UNKNOWN_ID})
    if params.model.embeddings:
        vectors, found, about = take_from_file(tokenizer, params)
    elif params.pretrain.method == "none":
        vectors, found = np.zeros((0, params.model.embedding_size), dtype=np.float32), 0
        about = "none, as pretrain.method says"
    else:
        vectors, about = learn_from_text(tokenizer, params.model.embedding_size, params.pretrain)
        found = int(vectors[UNKNOWN_ID + 1 :].any(axis=1).sum())
    save_array(VECTORS, vectors)
    write_json(Path("metrics/vectors.json"), {"coverage": found / max(tokens, 1), "found": found, "tokens": tokens})
    print(f"pretrain: {about}")


def take_from_file(tokenizer: Tokenizer, params: TextParams) -> tuple[np.ndarray, int, str]:
    """Return a file's vectors for the vocabulary, how many it has, and a line about it.

    A token that the file lacks gets a random vector with the file's mean and variance; padding gets none.
    """
    model = params.model
    location = model.embeddings or ""  # here one is always given
    path = fetch_cached(location, model.embeddings_sha256, find_root(), "model.embeddings")
    tokens = list_tokens(tokenizer)
    vectors = read_word_vectors(path, tokens, model.embedding_size)
    filled = fill_missing(vectors, params.pretrain.seed)
    filled[PADDING_ID] = 0
    found = int(vectors.found[UNKNOWN_ID + 1 :].sum())
    return filled, found, f"{path.name} has vectors of {found:,} of {len(tokens) - UNKNOWN_ID - 1:,} tokens"


def learn_from_text(tokenizer: Tokenizer, size: int, params: PretrainParams) -> tuple[np.ndarray, str]:
    """Return vectors learned from the training text, and a line about it."""
    tokenizer.no_truncation()  # a context may be longer than a classified text
    with open_scratch(VECTORS) as folder:
        corpus = folder / "ids.txt"
        words = write_corpus(tokenizer, corpus)
        epochs = count_epochs(words, params)
        vectors = learn_vectors(corpus, tokenizer.get_vocab_size(), size, epochs, params)
    about = f"{vectors.any(axis=1).sum():,} vectors from {words:,} tokens, read {epochs} times"
    return scale_vectors(vectors), about


def write_corpus(tokenizer: Tokenizer, corpus: Path) -> int:
    """Write a line of token ids for each row, its text and then its context; return the number of ids."""
    words = 0
    with corpus.open("w", encoding="ascii") as file:
        for batch in read_record_batches(TRAIN, "text", "context"):
            for text, context in zip(*(encode_texts(tokenizer, column.to_pylist()) for column in batch), strict=True):
                words += len(text) + len(context)
                file.write(" ".join(map(str, text + context)) + "\n")
    return words


if __name__ == "__main__":
    run_stage(main)
