"""Tokens to ids and back: words, characters or byte-pair pieces, learned from the training texts alone."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from unroll.base.errors import InputError, explain_missing
from unroll.params.texts import TokenizeParams
from unroll.text.tokens import PADDING_ID, UNKNOWN_ID

PADDING, UNKNOWN = "<pad>", "<unk>"


def train_tokenizer(texts: Iterable[list[str]], params: TokenizeParams) -> Tokenizer:
    """Learn a vocabulary from batches of cleaned texts.

    Ids are assigned by falling frequency, after `PADDING_ID` and `UNKNOWN_ID`. Texts longer than `max_tokens` will be
    cut. The byte-pair encoding is that of Sennrich et al. 2016 (arXiv:1508.07909).
    """
    options: dict[str, Any] = {
        "vocab_size": params.vocabulary_size,
        "min_frequency": params.min_count,
        "special_tokens": [PADDING, UNKNOWN],
        "show_progress": False,
    }
    tokenizer = _make_untrained(params)
    is_bpe = params.level == "bpe"
    trainer: trainers.Trainer = trainers.BpeTrainer(**options) if is_bpe else trainers.WordLevelTrainer(**options)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.enable_truncation(params.max_tokens)
    return tokenizer


def make_tokenizer(tokens: list[str], params: TokenizeParams) -> Tokenizer:
    """Return what `train_tokenizer` learns, from the most frequent words or characters, in their order."""
    ids = {token: number for number, token in enumerate([PADDING, UNKNOWN, *tokens])}
    tokenizer = _make_untrained(params)
    tokenizer.model = models.WordLevel(ids, unk_token=UNKNOWN)
    tokenizer.add_special_tokens([PADDING, UNKNOWN])
    tokenizer.enable_truncation(params.max_tokens)
    return tokenizer


def _make_untrained(params: TokenizeParams) -> Tokenizer:
    if params.level == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        # A mark at the start of each word distinguishes "under" in "underdog" from the word "under".
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        by_character = pre_tokenizers.Split(Regex("."), behavior="isolated")
        tokenizer.pre_tokenizer = by_character if params.level == "char" else pre_tokenizers.WhitespaceSplit()
    return tokenizer


def encode_texts(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return the token ids of each cleaned text; an empty text has none."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def load_tokenizer(path: Path) -> Tokenizer:
    """Read models/tokenizer.json.

    Raises:
        InputError: the file is missing, or holds no tokenizer of the kind that `train_tokenizer` makes.
    """
    if not path.is_file():
        raise explain_missing(path)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library has no more specific exception
        raise InputError(f"{path} holds no tokenizer: {error}") from None
    ids = tokenizer.get_vocab()
    if set(ids.values()) != set(range(len(ids))) or (ids.get(PADDING), ids.get(UNKNOWN)) != (PADDING_ID, UNKNOWN_ID):
        raise InputError(f"{path} is not what training writes: expected ids from {PADDING} = 0 and {UNKNOWN} = 1 on")
    if tokenizer.truncation is None or tokenizer.truncation["stride"]:  # at some overlaps the library panics
        raise InputError(f"{path} is not what training writes: expected a greatest length of texts, without overlaps")
    return tokenizer


def splits_into_words(tokenizer: Tokenizer) -> bool:
    """Whether tokens are whole words, which can be looked up without the tokenizer."""
    by_space = isinstance(tokenizer.pre_tokenizer, pre_tokenizers.WhitespaceSplit)
    return by_space and isinstance(tokenizer.model, models.WordLevel)


def list_tokens(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens in the order of their ids."""
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def find_longest(tokenizer: Tokenizer) -> int:
    """Return how many tokens of a text are taken; what `train_tokenizer` and `load_tokenizer` return has that limit."""
    return int((tokenizer.truncation or {})["max_length"])


def make_text_tokenizer(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    """Return a function from a cleaned text to its token ids, which are those of `encode_texts`.

    If tokens are words, a dictionary does the tokenizer's work in a sixth of the time.
    """
    if not splits_into_words(tokenizer):
        return lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    vocabulary, longest = tokenizer.get_vocab(), find_longest(tokenizer)
    return lambda text: [vocabulary.get(word, UNKNOWN_ID) for word in text.split()[:longest]]
