"""Turns the measurements into docs/benchmarks.md."""

from collections.abc import Sequence

from benchmarks.measure import Check, Section

INTRODUCTION = """\
# Benchmarks

For whoever wants to know how fast it is. `{command}` measures everything anew and writes this file; nothing here is
written by hand.{quick}

The textbook is [benchmarks/textbook.py](../benchmarks/textbook.py), written the way tutorials write it: row-wise
regular expressions with an alternation of stop words, dictionaries, a Dataset with a padding collate function, a
DataLoader, PyTorch's layers, plain Adam. Its token ids are the package's, and with the same weights so are its logits
(tested).

Ratios say how many times as fast ours is. Both run alternately in one process, with a new process for each measure. The
figure is the ratio of the medians, followed by the lowest and the highest ratio of a round. CPU seconds count only the
time in which the process had a core: on an idle machine they equal wall-clock seconds, on a busy one they are steadier.
"""


def write_report(command: str, quick: bool, setting: list[tuple[str, str]], sections: list[Section]) -> str:
    """Return the document: the setting, all targets, then each measure."""
    note = "\nThis was a quick run, on fewer rows and rounds than `make bench` takes." if quick else ""
    parts = [INTRODUCTION.format(command=command, quick=note), write_table(("", ""), setting), "## Targets"]
    parts.append(write_table(("measure", "target", "measured", ""), [_write_check(check) for check in _join(sections)]))
    for section in sections:
        parts += [f"## {section.title}", section.text, write_table(section.header, section.rows)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def write_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _join(sections: list[Section]) -> list[Check]:
    return [check for section in sections for check in section.checks]


def _write_check(check: Check) -> tuple[str, ...]:
    verdict = {True: "met", False: "**not met**", None: "not measured"}[check.met]
    return check.measure, check.target, check.measured, verdict
