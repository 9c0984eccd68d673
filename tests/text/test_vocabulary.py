"""Vocabularies and token arrays."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.params.texts import TokenizeParams
from unroll.text.tokens import PADDING_ID, UNKNOWN_ID, Tokens, load_tokens, save_tokens
from unroll.text.vocabulary import encode_texts, load_tokenizer, train_tokenizer

TEXTS = ["shares fall in tokyo", "shares rise", "shares rise again in oslo"]


def make_params(**changes: object) -> TokenizeParams:
    return TokenizeParams(**({"level": "word", "vocabulary_size": 100, "min_count": 1, "max_tokens": 50} | changes))


def test_words_are_numbered_by_falling_frequency() -> None:
    tokenizer = train_tokenizer([TEXTS], make_params())
    assert encode_texts(tokenizer, ["shares in rise", "", "bonds fall"]) == [[2, 3, 4], [], [UNKNOWN_ID, 6]]
    assert tokenizer.id_to_token(PADDING_ID) == "<pad>"


def test_limits() -> None:
    assert train_tokenizer([TEXTS], make_params(vocabulary_size=4)).get_vocab_size() == 4
    frequent = train_tokenizer([TEXTS], make_params(min_count=2))
    assert encode_texts(frequent, ["shares fall"]) == [[2, UNKNOWN_ID]]
    assert encode_texts(train_tokenizer([TEXTS], make_params(max_tokens=2)), ["in in in in"]) == [[3, 3]]


def test_characters() -> None:
    tokenizer = train_tokenizer([TEXTS], make_params(level="char"))
    (ids,) = encode_texts(tokenizer, ["rise in"])
    assert [tokenizer.id_to_token(number) for number in ids] == list("rise in")
    assert encode_texts(tokenizer, ["z"]) == [[UNKNOWN_ID]]


def test_byte_pairs_build_known_and_unknown_words() -> None:
    tokenizer = train_tokenizer([TEXTS * 20], make_params(level="bpe", vocabulary_size=60))
    (whole, parts) = encode_texts(tokenizer, ["shares", "sharin"])
    assert len(whole) == 1
    assert len(parts) > 1 and UNKNOWN_ID not in parts
    assert "".join(tokenizer.id_to_token(number) for number in parts) == "▁sharin"


@pytest.mark.parametrize("level", ["word", "char", "bpe"])
def test_the_same_texts_give_the_same_bytes_in_chunks_of_any_size(level: str, tmp_path: Path) -> None:
    params = make_params(level=level)
    one = train_tokenizer([TEXTS], params).to_str()
    assert one == train_tokenizer([[text] for text in TEXTS], params).to_str()
    (tmp_path / "tokenizer.json").write_text(one)
    assert load_tokenizer(tmp_path / "tokenizer.json").to_str() == one


def test_a_damaged_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing: `dvc repro` makes it"):
        load_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_token_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    parts = [Tokens.from_lists([[5, 6], [7]], [0, 1]), Tokens.from_lists([[8, 9, 10]], [1])]
    save_tokens(parts, tmp_path, "train")
    loaded = load_tokens(tmp_path, "train")
    assert loaded.ids.tolist() == [5, 6, 7, 8, 9, 10]
    assert loaded.offsets.tolist() == [0, 2, 3, 6]
    assert loaded.labels.tolist() == [0, 1, 1]
    assert loaded.lengths.tolist() == [2, 1, 3]
    assert isinstance(loaded.ids, np.memmap)


@given(st.lists(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=9), max_size=9), max_size=4))
def test_token_files_written_in_parts_are_those_of_the_whole(parts: list[list[list[int]]]) -> None:
    def hash_texts(texts: list[list[int]]) -> list[np.ndarray]:
        return [np.array(text[1:], dtype=np.uint32) for text in texts]  # fewer n-grams than tokens

    texts = [text for part in parts for text in part]
    whole = Tokens.from_lists(texts, list(range(len(texts))), hash_texts(texts))
    labels = iter(whole.labels)
    with TemporaryDirectory() as name:
        folder = Path(name)
        joined = (Tokens.from_lists(part, [next(labels) for _ in part], hash_texts(part)) for part in parts)
        save_tokens(joined, folder, "train")
        for array in ("ids", "offsets", "labels", "ngrams", "ngram_offsets"):
            np.save(folder / "whole.npy", getattr(whole, array))
            assert (folder / f"train.{array}.npy").read_bytes() == (folder / "whole.npy").read_bytes()


@given(st.lists(st.lists(st.integers(2, 99), max_size=5), min_size=1), st.integers(1, 4))
def test_parts_of_texts_are_together_the_whole(ids: list[list[int]], size: int) -> None:
    ngrams = [np.array(text[1:], dtype=np.uint32) for text in ids]
    whole = Tokens.from_lists(ids, list(range(len(ids))), ngrams)
    parts = [whole.cut(first, first + size) for first in range(0, len(ids), size)]
    for name in ("ids", "labels", "ngrams", "lengths"):
        assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(whole, name).tolist()
    for part in parts:
        rows = np.arange(len(part))
        assert (
            part.digest()
            == Tokens.from_lists(
                [ids[number] for number in part.labels],
                part.labels.tolist(),
                [ngrams[number] for number in part.labels],
            ).digest()
        )
        assert len(part.gather_extras(rows)[0]) == len(part.ngrams)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    save_tokens([Tokens.from_lists([[5]], [0])], tmp_path, "train")
    np.save(tmp_path / "train.ids.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="is not an array of token data"):
        load_tokens(tmp_path, "train")
    (tmp_path / "train.ids.npy").unlink()
    with pytest.raises(InputError, match="is missing"):
        load_tokens(tmp_path, "train")
