"""Which words a prediction rests on."""

from pathlib import Path

import pytest

from builders import write_models
from unroll.inference.classifier import load_classifier
from unroll.inference.explain import MOST_WORDS, explain


def test_a_words_weight_is_what_the_prediction_loses_without_it(tmp_path: Path) -> None:
    classifier = load_classifier(write_models(tmp_path / "models"))
    found = explain(classifier, "Team wins, shares fall")
    (whole,) = classifier.predict(["team wins shares fall"])
    place = whole.argmax()
    without = classifier.predict(["wins shares fall", "team shares fall", "team wins fall", "team wins shares"])
    assert found.probabilities.tolist() == pytest.approx(whole.tolist(), abs=1e-6)
    assert [word for word, _ in found.words] == ["team", "wins", "shares", "fall"]
    assert [weight for _, weight in found.words] == pytest.approx((whole - without)[:, place].tolist(), abs=1e-6)
    assert found.unmeasured == 0


def test_texts_without_words_with_one_and_with_many(tmp_path: Path) -> None:
    classifier = load_classifier(write_models(tmp_path / "models"))
    assert explain(classifier, "???").probabilities is None
    assert explain(classifier, "king").words == [("king", None)]
    long = explain(classifier, "king wins " * MOST_WORDS)
    assert (len(long.words), long.unmeasured) == (MOST_WORDS, MOST_WORDS)
