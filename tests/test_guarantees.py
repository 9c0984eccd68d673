"""Every test that docs/guarantees.md names is there."""

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
            assert f"def {name}(" in (ROOT / file).read_text(), f"{file}::{name}"


def test_the_number_of_bad_inputs_is_that_of_the_table() -> None:
    entries = (ROOT / "tests" / "hostile" / "inputs.yaml").read_text().count("{bad: ")
    assert f"{entries} bad inputs" in (ROOT / "docs" / "guarantees.md").read_text()
