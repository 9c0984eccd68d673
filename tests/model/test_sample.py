"""The bundled data set: large enough, balanced, and written rather than generated."""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "headlines.csv"


@pytest.fixture(scope="module")
def headlines() -> list[tuple[str, str]]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def split_words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def test_size_and_balance(headlines: list[tuple[str, str]]) -> None:
    counts = Counter(label for _, label in headlines)
    assert len(headlines) >= 2400
    assert set(counts) == {"Business", "Sci/Tech", "Sports", "World"}
    assert min(counts.values()) >= 600


def test_no_two_headlines_share_more_than_half_of_their_word_3_grams(headlines: list[tuple[str, str]]) -> None:
    grams, holders = [], defaultdict(list)
    for number, (title, _) in enumerate(headlines):
        words = split_words(title)
        grams.append({tuple(words[n : n + 3]) for n in range(len(words) - 2)})
        for gram in grams[-1]:
            holders[gram].append(number)
    alike = []
    for number, own in enumerate(grams):
        shared = Counter(other for gram in own for other in holders[gram] if other > number)
        alike += [
            (headlines[number][0], headlines[other][0])
            for other, count in shared.items()
            if count > 0.5 * min(len(own), len(grams[other]))
        ]
    assert alike == []


def test_no_headline_stands_twice_in_other_words_order(headlines: list[tuple[str, str]]) -> None:
    """Slot filling leaves headlines that differ in one word; here no two of five words or more do."""
    seen: dict[tuple[str, ...], str] = {}
    for title, _ in headlines:
        words = split_words(title)
        for n in range(len(words) if len(words) >= 5 else 0):
            frame = (*words[:n], "_", *words[n + 1 :])
            assert frame not in seen, (title, seen[frame])
            seen[frame] = title


def test_headlines_vary_in_opening_length_and_words(headlines: list[tuple[str, str]]) -> None:
    openings = Counter(tuple(split_words(title)[:2]) for title, _ in headlines)
    assert openings.most_common(1)[0][1] <= 8
    lengths = [len(split_words(title)) for title, _ in headlines]
    assert min(lengths) <= 5 and max(lengths) >= 18
    assert len(Counter(lengths)) >= 12
    assert len({word for title, _ in headlines for word in split_words(title)}) > 6000
