"""How times are taken and compared: alternating rounds, medians, targets."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """Seconds of each round, ours and the textbook's; round i of both were taken one after the other."""

    ours: list[float]
    textbook: list[float]

    @property
    def ratio(self) -> float:
        """How many times as fast ours is: the quotient of the medians."""
        return median(self.textbook) / median(self.ours)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest quotient of a round."""
        ratios = [textbook / ours for ours, textbook in zip(self.ours, self.textbook, strict=True)]
        return min(ratios), max(ratios)

    @property
    def text(self) -> str:
        """The ratio and its spread, such as `2.9 × (2.8–3.1)`."""
        return f"{self.ratio:.1f} × ({self.spread[0]:.1f}–{self.spread[1]:.1f})"


@dataclass(frozen=True)
class Seconds:
    """How long other programs ran: by the clock, and how long they had a processor, all threads together."""

    clock: float
    processor: float


def add(*parts: Comparison) -> Comparison:
    """Return the times of several parts together."""
    ours = zip(*(part.ours for part in parts), strict=True)
    textbook = zip(*(part.textbook for part in parts), strict=True)
    return Comparison([sum(times) for times in ours], [sum(times) for times in textbook])


@dataclass(frozen=True)
class Check:
    """A measured figure beside its target; `met` is None where there is nothing to compare."""

    measure: str
    target: str
    measured: str
    met: bool | None


@dataclass(frozen=True)
class Section:
    """One measure as the document shows it."""

    title: str
    text: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    checks: list[Check]


def at_least(measure: str, measured: float, limit: float, unit: str = "×") -> Check:
    """Compare a figure that should be high."""
    return Check(measure, f"≥ {limit:g} {unit}", f"{measured:.2f} {unit}", measured >= limit)


def at_most(measure: str, measured: float, limit: float, unit: str) -> Check:
    """Compare a figure that should be low."""
    return Check(measure, f"≤ {limit:g} {unit}", f"{measured:.3g} {unit}", measured <= limit)


def time_processor(call: Callable[[], object]) -> float:
    """Return the CPU seconds of the process (all its threads) while `call` runs.

    For work in one process on one thread: on a busy machine they are steadier than wall-clock seconds, and on an idle
    one the same.
    """
    started = time.process_time()
    call()
    return time.process_time() - started


def time_children(call: Callable[[], object]) -> Seconds:
    """Return the seconds while `call` runs other programs and waits for them."""
    before = os.times()
    call()
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Seconds(after.elapsed - before.elapsed, processor)


def time_clock(call: Callable[[], object]) -> float:
    """Return the wall-clock seconds while `call` runs."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def alternate(calls: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Call each in turn, `rounds` times; return the figures of each."""
    figures: dict[str, list[T]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            figures[name].append(call())
    return figures


def compare(ours: Callable[[], object], textbook: Callable[[], object], rounds: int) -> Comparison:
    """Time the two in alternating rounds, in processor seconds."""
    seconds = alternate({"ours": lambda: time_processor(ours), "textbook": lambda: time_processor(textbook)}, rounds)
    return Comparison(seconds["ours"], seconds["textbook"])
