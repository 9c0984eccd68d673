"""How much of the texts the networks read: what is cut off, and which tokens are unknown."""

from dataclasses import dataclass

import numpy as np

from unroll.text.tokens import UNKNOWN_ID

MUCH_CUT = 0.05  # of the training texts
MUCH_UNKNOWN = 0.5  # of validation or test tokens; after training on a thousand headlines a third is unknown


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
