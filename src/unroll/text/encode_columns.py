"""Token ids of whole columns: the results of `encode_texts`, several times as fast if tokens are words."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer, pre_tokenizers

from unroll.text.ngrams import make_hasher
from unroll.text.tokens import UNKNOWN_ID, Tokens, flatten_ids, flatten_ngrams
from unroll.text.vocabulary import encode_texts, find_longest, list_tokens, splits_into_words


@dataclass(frozen=True)
class ColumnTokenizer:
    """A tokenizer prepared for columns.

    tokenizer: keeps one token more than the `longest` text may have, to show which texts are cut; words: its words by
    id, or None if its tokens are not words; by_character: whether they are characters.
    """

    tokenizer: Tokenizer
    longest: int
    words: pa.StringArray | None
    by_character: bool

    def encode(self, texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the token ids of cleaned texts: ids [tokens] int32, offsets [texts + 1] int64, cut [texts] bool.

        The ids of text i are `ids[offsets[i]:offsets[i + 1]]`. An empty text has none.
        """
        if self.words is None:
            if self.by_character:  # the tokenizer needs a hundred bytes for each character before it cuts
                texts = pc.utf8_slice_codeunits(texts, 0, self.longest + 1)
            found = encode_texts(self.tokenizer, texts.to_pylist())
            cut = np.array([len(ids) > self.longest for ids in found], dtype=bool)
            return *flatten_ids([ids[: self.longest] for ids in found]), cut
        # A null has no words; an empty text would have an empty one.
        words = pc.split_pattern(pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts), " ")
        lengths = pc.list_value_length(words).fill_null(0)
        cut = pc.greater(lengths, self.longest)
        if pc.any(cut).as_py():
            words, lengths = pc.list_slice(words, 0, self.longest), pc.min_element_wise(lengths, self.longest)
        ids = pc.index_in(words.flatten(), self.words).fill_null(UNKNOWN_ID)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return ids.to_numpy(), offsets, cut.to_numpy(zero_copy_only=False)


def make_column_tokenizer(tokenizer: Tokenizer) -> ColumnTokenizer:
    """Prepare a tokenizer: list its words once."""
    longest = find_longest(tokenizer)
    if splits_into_words(tokenizer):
        return ColumnTokenizer(tokenizer, longest, pa.array(list_tokens(tokenizer)), by_character=False)
    by_character = isinstance(tokenizer.pre_tokenizer, pre_tokenizers.Split)
    longer = Tokenizer.from_str(tokenizer.to_str())
    longer.enable_truncation(longest + 1)
    return ColumnTokenizer(longer, longest, None, by_character)


def encode_part(
    tokenizer: str, max_tokens: int, class_names: list[str], batch: pa.RecordBatch
) -> tuple[Tokens, np.ndarray]:
    """Return texts and labels as numbers, and which texts are cut, [texts] bool.

    tokenizer: as JSON, so that other processes can read it; batch: with `text` and `label`.
    """
    encoder, hash_text = _prepare(tokenizer, max_tokens)
    ids, offsets, cut = encoder.encode(batch["text"])
    labels = pc.index_in(batch["label"], pa.array(class_names)).to_numpy().astype(np.int64)
    ngrams = flatten_ngrams([hash_text(text) for text in batch["text"].to_pylist()])
    return Tokens(ids, offsets, labels, *ngrams), cut


@lru_cache(1)  # a process gets the same tokenizer with each part
def _prepare(tokenizer: str, max_tokens: int) -> tuple[ColumnTokenizer, Callable[[str], np.ndarray]]:
    return make_column_tokenizer(Tokenizer.from_str(tokenizer)), make_hasher(max_tokens)
