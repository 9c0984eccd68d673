"""Near-duplicates: those that are there are found, however many texts are alike."""

import numpy as np
import pytest

from unroll.look import near as module
from unroll.look.near import THRESHOLD, Pairs, compute_similarity, find_near, sketch_texts

RANDOM = np.random.default_rng(0)
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzäß語"))


def make_texts(count: int, length: int = 50) -> list[str]:
    return ["".join(RANDOM.choice(LETTERS, length)) for _ in range(count)]


def compare(texts: list[str], others: list[str]) -> Pairs:
    return find_near(sketch_texts(texts), sketch_texts(others))


def test_similarity_is_the_share_of_common_sequences() -> None:
    assert compute_similarity("abcdefgh", "abcdefgh") == 1
    assert compute_similarity("abcdefgh", "ijklmnop") == 0
    assert compute_similarity("abcdef", "abcdeg") == pytest.approx(1 / 11)  # abcde, of six each
    assert compute_similarity("a", "a") == 1  # short texts have sequences, too


def test_texts_that_differ_little_are_found_and_no_others() -> None:
    others = make_texts(400)
    changed = range(0, 400, 5)
    texts = [f"{others[number][:-3]}xyz" if number in changed else text for number, text in enumerate(make_texts(400))]
    texts[1::5] = [f"{text[:-12]}{'x' * 12}" for text in others[1::5]]  # about half of their sequences are common
    pairs = compare(texts, others)
    assert set(pairs.first) <= set(changed) and len(pairs.first) >= 0.95 * len(changed)
    assert (pairs.first == pairs.second).all()
    for first, second, similarity in zip(pairs.first, pairs.second, pairs.similarity, strict=True):
        assert similarity == compute_similarity(texts[first], others[second]) >= THRESHOLD


def test_of_several_the_nearest_is_told() -> None:
    (text,) = make_texts(1)
    pairs = compare([text], [f"{text[:-8]}{'x' * 8}", *make_texts(20), f"{text[:-1]}x", f"{text[:-4]}{'x' * 4}"])
    assert pairs.second.tolist() == [21]


def test_minima_estimate_the_similarity_however_texts_are_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = make_texts(1, 400)
    texts = [text, f"{text[:300]}{make_texts(1, 100)[0]}", *make_texts(5), "a"]
    minima = sketch_texts(texts).minima
    assert (minima[0] == minima[1]).mean() == pytest.approx(compute_similarity(*texts[:2]), abs=0.15)
    assert (minima[0] == minima[2]).mean() < 0.05
    monkeypatch.setattr(module, "CHUNK", 60)
    assert (sketch_texts(texts).minima == minima).all()


def test_of_many_texts_made_alike_each_is_compared_with_one_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(module, "compute_similarity", lambda text, other: compared.append(other) or 1.0)
    template = make_texts(1)[0]
    pairs = compare([template] * 50, [template] * 3000)
    assert len(compared) == len(pairs.first) == 50


def test_without_texts_there_are_no_pairs() -> None:
    assert len(compare([], ["a"]).first) == len(compare(["a"], []).first) == 0
