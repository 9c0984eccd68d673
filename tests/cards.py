"""Reading model cards: their tables, and the numbers that no metric has."""

import re
from collections.abc import Iterator
from typing import Any

from unroll.evaluation.card import Facts

NUMBER = re.compile(r"(?<![\w.#-])[+-]?\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
CONSTANTS = {"95", "100"}  # the confidence of the intervals; the most classes of a table


def list_rows(card: str, section: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    text = card.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def find_strange_numbers(card: str, facts: Facts) -> list[str]:
    """Return the numbers of a card, names and texts left out, that neither metrics nor parameters have."""
    text = re.sub(r"```.*?```|^---\n.*?\n---\n", "", card, flags=re.DOTALL)
    text = "\n".join(line for line in text.splitlines() if not re.search(r"[0-9a-f]{64}", line))
    names = list(facts.metrics["per_class"]["classes"])
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(f" {name} ", " ")
    for line in list_rows(card, "Hard examples"):
        text = text.replace(line[0], "") if facts.quotes_texts else text
    sums = [sum(rows.values()) for rows in facts.metrics["per_class"]["rows"].values()]
    known = [facts.metrics, facts.config, facts.params.model_dump(), facts.mistakes.to_dict("records"), sums]
    forms = {form for number in _list_numbers(known) for form in _write(number)} | CONSTANTS
    return [found for found in NUMBER.findall(text) if found not in forms]


def _list_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _list_numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _write(number: float) -> set[str]:
    exact = {f"{number:,}", str(number)}
    return exact if isinstance(number, int) else exact | {f"{number:.4f}", f"{number:+.4f}", f"{100 * number:.1f}"}
