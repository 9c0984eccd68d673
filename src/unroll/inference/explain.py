"""Which words a prediction rests on: each is left out, and the predicted class's probability compared (occlusion)."""

from dataclasses import dataclass

import numpy as np

from unroll.inference.classifier import Classifier
from unroll.text.clean import clean_text

MOST_WORDS = 100  # that are left out, each in a copy of the text


@dataclass(frozen=True)
class Explanation:
    """A text's prediction, and what each of its words adds to it.

    probabilities: `[classes]`, or None for a text that cleaning leaves empty. words: those of the cleaned text, in
    order, each with the probability of the predicted class that is lost without it; None for the only word of a text,
    as nothing is left without it. unmeasured: how many more words the text has.
    """

    probabilities: np.ndarray | None
    words: list[tuple[str, float | None]]
    unmeasured: int


def explain(classifier: Classifier, text: str) -> Explanation:
    """Predict a raw text and copies of it without one of its first `MOST_WORDS` words, all in one batch.

    Raises:
        InputError: the weights are infinite or NaN.
    """
    words = clean_text(text, classifier.cleaning).split()
    measured = words[:MOST_WORDS]
    without = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(measured))]
    whole, *others = classifier.model.predict([" ".join(words), *without])
    if np.isnan(whole).any():
        return Explanation(None, [], 0)
    lost = (float(whole[whole.argmax()] - other[whole.argmax()]) for other in others)
    weights = [None if np.isnan(value) else value for value in lost]
    return Explanation(whole, list(zip(measured, weights, strict=True)), len(words) - len(measured))
