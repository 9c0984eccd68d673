"""data/splits/train.parquet → data/vectors.npy: vectors of tokens, learned from the training text alone."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tokenizers import Tokenizer

from unroll.errors import run_stage
from unroll.skipgram import count_epochs, learn_vectors
from unroll.tables import read_batches
from unroll.text_params import read_text_params
from unroll.vectors import save_vectors, scale_vectors
from unroll.vocabulary import encode_texts, load_tokenizer

# The training split alone: text of validation and test rows must not be seen before they are scored.
TRAIN, TOKENIZER = Path("data/splits/train.parquet"), Path("models/tokenizer.json")
VECTORS = Path("data/vectors.npy")


def main() -> None:
    params = read_text_params()
    size = params.model.embedding_size
    if params.pretrain.method == "none":
        save_vectors(np.zeros((0, size), dtype=np.float32), VECTORS)
        print("pretrain: none, as pretrain.method says")
        return
    tokenizer = load_tokenizer(TOKENIZER)
    tokenizer.no_truncation()  # a context may be longer than what is classified
    with TemporaryDirectory(dir=VECTORS.parent) as folder:
        corpus = Path(folder) / "ids.txt"
        words = write_corpus(tokenizer, corpus)
        epochs = count_epochs(words, params.pretrain)
        vectors = scale_vectors(learn_vectors(corpus, tokenizer.get_vocab_size(), size, epochs, params.pretrain))
    save_vectors(vectors, VECTORS)
    print(f"pretrain: {vectors.any(axis=1).sum():,} vectors from {words:,} tokens, read {epochs} times")


def write_corpus(tokenizer: Tokenizer, corpus: Path) -> int:
    """Write the token ids of each row, its text and then its context, as a line; return how many they are."""
    words = 0
    with corpus.open("w", encoding="ascii") as file:
        for batch in read_batches(TRAIN, "text", "context"):
            for text, context in zip(*(encode_texts(tokenizer, column.to_pylist()) for column in batch), strict=True):
                words += len(text) + len(context)
                file.write(" ".join(map(str, text + context)) + "\n")
    return words


if __name__ == "__main__":
    run_stage(main)
