"""The outputs that a dvc.lock records, and how they differ from those that were expected."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unroll.base.errors import InputError
from unroll.results.history import read_figures
from unroll.results.trace import list_md5s, order_stages, read_stages

METRICS = re.compile(r"metrics/[^/]+\.json")
Outputs = dict[tuple[str, str], str]  # MD5s by stage and path, in the order in which stages run
MOST = 12  # figures that are told


@dataclass(frozen=True)
class Expected:
    """What should come out: MD5s of outputs, and the content of metrics files, by path from the pipeline's folder."""

    outputs: dict[str, str]
    files: dict[str, bytes] = field(default_factory=dict)


def read_expected(folder: Path) -> Expected:
    """Return what a commit that is checked out says of its pipeline's outputs.

    Raises:
        InputError: it says nothing.
    """
    lock = folder / "dvc.lock"
    outputs = read_outputs(lock.read_bytes()) if lock.is_file() else {}
    if not outputs:
        raise InputError("the pipeline has no dvc.lock with outputs in this commit: there is nothing to compare with")
    expected = {path: md5 for (_, path), md5 in outputs.items()}
    files = [path for path in expected if METRICS.fullmatch(path) and (folder / path).is_file()]
    return Expected(expected, {path: (folder / path).read_bytes() for path in files})


def count(number: int, noun: str) -> str:
    """Return "1 output" or "2 outputs"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def read_outputs(lock: bytes) -> Outputs:
    """Return the MD5 of each output in a dvc.lock."""
    stages = read_stages(lock)
    ordered = order_stages(stages)
    return {(stage, path): md5 for stage in ordered for path, md5 in list_md5s(stages[stage], "outs").items()}


def find_differences(expected: Mapping[str, str], made: Outputs) -> list[tuple[str, str]]:
    """Return stage and path of each expected output (MD5s by path) that was made otherwise, or not at all.

    One without an MD5, as of storage that keeps versions itself, counts as another.
    """
    differing = [place for place, md5 in made.items() if md5 != expected.get(place[1], md5) or not md5]
    paths = {path for _, path in made}
    return differing + [("no stage", path) for path in expected if path not in paths]


def tell_outputs(expected: Mapping[str, str], made: Outputs) -> Iterator[tuple[str, str]]:
    """Yield a line for each stage: its name, and whether its outputs are the expected ones."""
    differing = find_differences(expected, made)
    for stage in dict.fromkeys(stage for stage, _ in [*made, *differing]):
        known = [path for name, path in made if name == stage and path in expected]
        others = [path for name, path in differing if name == stage]
        if not (known or others):
            yield stage, "made; nothing to compare with"
        elif not others:
            yield stage, f"{count(len(known), 'output')}, the same bytes"
        for path in others:
            yield stage, f"{path} differs: MD5 {made.get((stage, path), 'missing')}, expected {expected[path]}"


def tell_figures(expected: Mapping[str, bytes], folder: Path) -> list[str]:
    """Return a line for each figure of the metrics files that differs in the folder, and by how much."""
    lines = []
    for path, content in expected.items():
        file = folder / path
        old, new = read_figures(content), read_figures(file.read_bytes() if file.is_file() else b"")
        for key in old | new:
            if key not in old or key not in new:
                lines.append(f"{path} {key}: {new.get(key, 'missing')}, expected {old.get(key, 'none')}")
            elif old[key] != new[key]:
                by = new[key] - old[key]
                lines.append(f"{path} {key}: {new[key]:.6g}, expected {old[key]:.6g}, a difference of {by:+.3g}")
    more = len(lines) - MOST
    return [*lines[:MOST], f"and {more:,} figures more"] if more > 0 else lines
