"""The embedding's start from a real file of vectors."""

from pathlib import Path

import numpy as np
import pytest

from unroll.base.errors import InputError
from unroll.params.texts import TextParams, TokenizeParams, read_text_params
from unroll.stages.pretrain import take_from_file
from unroll.text.vocabulary import list_tokens, train_tokenizer
from workspaces import REAL_DATA

ROOT = Path(__file__).parents[2]
TOKENIZE = TokenizeParams(level="word", vocabulary_size=100, min_count=1, max_tokens=50)
GLOVE = REAL_DATA / "glove" / "glove.6B.50d.top5k.txt.gz"


def read_params(**model: object) -> TextParams:
    params = read_text_params(ROOT / "params.yaml")
    return params.model_copy(update={"model": params.model.model_copy(update=model)})


def test_real_vectors_are_those_of_their_words() -> None:
    if not GLOVE.exists():
        pytest.skip(f"the real data are not there: {GLOVE}")
    tokenizer = train_tokenizer([["the king and the queen", "zzyzx"]], TOKENIZE)
    sha256 = "88af174d66b9037131fd72486517c2fc743122d53966874fbe8348c35a12f662"
    vectors, found, about = take_from_file(
        tokenizer, read_params(embeddings=str(GLOVE), embeddings_sha256=sha256, embedding_size=50)
    )
    assert (found, vectors.shape) == (4, (7, 50))
    assert "has vectors of 4 of 5 tokens" in about
    by_word = dict(zip(list_tokens(tokenizer), vectors, strict=True))
    assert not by_word["<pad>"].any() and by_word["zzyzx"].any()

    def compare(a: str, b: str) -> float:
        return by_word[a] @ by_word[b] / np.linalg.norm(by_word[a]) / np.linalg.norm(by_word[b])

    assert compare("king", "queen") > 0.75 > compare("king", "and")
    with pytest.raises(InputError, match="50"):
        take_from_file(tokenizer, read_params(embeddings=str(GLOVE), embedding_size=100))


def test_another_file_than_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("king 1 2\n")
    tokenizer = train_tokenizer([["king"]], TOKENIZE)
    with pytest.raises(InputError, match=r"vectors\.txt has sha256 \w+, expected 0000"):
        take_from_file(tokenizer, read_params(embeddings=str(file), embeddings_sha256="0" * 64, embedding_size=2))
    with pytest.raises(InputError, match=r"model\.embeddings: .*missing\.txt does not exist"):
        take_from_file(tokenizer, read_params(embeddings=str(tmp_path / "missing.txt"), embedding_size=2))
