"""How much of the texts the networks read: what is cut off, which tokens are unknown, and what is no word."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unroll.text.tokens import UNKNOWN_ID

MUCH_CUT = 0.05  # of the training texts
MUCH_UNKNOWN = 0.5  # of validation or test tokens; after training on a thousand headlines a third is unknown
MUCH_UNSPACED = 0.3  # of the characters of the training texts
# Longer than most words of these scripts; a text whose words someone has separated has few such runs.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{8,}"


@dataclass
class Coverage:
    """Counts for a split, made while its texts are encoded."""

    texts: int = 0
    cut: int = 0
    tokens: int = 0
    unknown: int = 0

    def count(self, ids: np.ndarray, cut: np.ndarray) -> None:
        """Count some texts; ids: [tokens], all their ids; cut: [texts] bool, which of them had more tokens."""
        self.texts += len(cut)
        self.cut += int(np.count_nonzero(cut))
        self.tokens += len(ids)
        self.unknown += int(np.count_nonzero(ids == UNKNOWN_ID))

    def summarize(self) -> dict[str, float]:
        """Return the share of texts that are cut, and the share of the remaining tokens that are unknown."""
        return {"cut": self.cut / max(self.texts, 1), "unknown": self.unknown / max(self.tokens, 1)}


def describe_cut(train: dict[str, float], max_tokens: int) -> list[str]:
    """Return a line if many training texts are cut; train: `summarize` of that split."""
    share = train["cut"]
    if share <= MUCH_CUT:
        return []
    remedy = "a larger one lets the network read more of them"
    return [f"tokenize.max_tokens = {max_tokens} cuts {share:.1%} of the training texts: {remedy}"]


def describe_unknown(**shares: dict[str, float]) -> list[str]:
    """Return a line if most tokens of a split are unknown; shares: `summarize` of splits, by name."""
    share, split = max((counted["unknown"], split) for split, counted in shares.items())
    if share <= MUCH_UNKNOWN:
        return []
    remedy = "a lower tokenize.min_count, a larger tokenize.vocabulary_size or more training texts"
    return [f"{share:.1%} of the {split} tokens are unknown: try tokenize.level = char or bpe, {remedy}"]


def count_unspaced(texts: pa.StringArray) -> tuple[int, int]:
    """Return how many characters stand in long runs of scripts without spaces between words, and how many in all."""
    rest = pc.replace_substring_regex(texts, _UNSPACED, "")
    total, other = (pc.sum(pc.utf8_length(part)).as_py() or 0 for part in (texts, rest))
    return total - other, total


def describe_unspaced(unspaced: int, total: int) -> list[str]:
    """Return a line if much of the training text is without spaces; it is for texts that are split into words."""
    share = unspaced / max(total, 1)
    if share <= MUCH_UNSPACED:
        return []
    remedy = "try tokenize.level = bpe or char, or a table whose words are separated by spaces"
    return [f"{share:.1%} of the training text has no spaces between words, so that a clause counts as one: {remedy}"]
