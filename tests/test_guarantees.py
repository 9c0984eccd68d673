"""Every test that docs/guarantees.md names is there, and figures in docs are those that were measured."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_promises_name_tests_that_are_there() -> None:
    text, _, _ = (ROOT / "docs" / "guarantees.md").read_text().partition("## The last figures")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise ")]
    assert len(promises) >= 25
    for promise in promises:
        proofs = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", promise)
        assert proofs, promise
        for file, name in proofs:
            before, found, _ = (ROOT / file).read_text().partition(f"def {name}(")
            assert found, f"{file}::{name}"
            if "@pytest.mark.exhaustive" in before.rpartition("\n\n\n")[2]:  # `make test` leaves it out
                assert f"`{file}::{name}` †" in promise


def test_the_number_of_bad_inputs_is_that_of_the_table() -> None:
    entries = (ROOT / "tests" / "hostile" / "inputs.yaml").read_text().count("{bad: ")
    assert f"{entries} bad inputs" in (ROOT / "docs" / "guarantees.md").read_text()


def test_the_figures_of_the_sample_are_those_of_the_committed_metrics() -> None:
    scores = json.loads((ROOT / "metrics" / "test.json").read_text())
    names = ("macro_f1", "over_baseline", "over_baseline_low", "over_baseline_high")
    score, over, low, high = (scores[name] for name in names)
    told = f"{score:.4f} on 432 rows, .* seed 1 is {over:.3f} with an interval of \\[{low:.3f}, {high:.3f}]"
    assert re.search(told, " ".join((ROOT / "docs" / "results.md").read_text().split()))
