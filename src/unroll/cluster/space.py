"""The ranges that a search takes parameters from."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unroll.base.errors import InputError
from unroll.cluster.grid import Experiment, expand_grid

if TYPE_CHECKING:  # Optuna is installed only by `make cluster`
    from optuna.distributions import BaseDistribution

RANGE = re.compile(r"([-+.\w]+?)\.\.([-+.\w]+)(?::(\w+))?")
NAME = re.compile(r"\w+(\.\w+)*")  # of a parameter
DIGITS = 3  # of a number that is asked for: names and parameters stay readable


@dataclass(frozen=True)
class Range:
    """The values that a parameter may have: one of some, or a number from low to high, whole if the ends are."""

    name: str
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    is_log: bool = False

    @property
    def ends(self) -> tuple[str, ...]:
        """Every choice, or the lowest and the highest number."""
        return self.choices or (str(self.low), str(self.high))


@dataclass(frozen=True)
class Space:
    """What a search may try: ranges, by name; and overrides that all trials share."""

    ranges: tuple[Range, ...]
    fixed: tuple[str, ...]

    def make_overrides(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the overrides of a trial with these values, by parameter."""
        return tuple(sorted([*self.fixed, *(f"{name}={value}" for name, value in values.items())]))

    def list_corners(self) -> list[Experiment]:
        """Return experiments in which every choice and every end of a range comes up."""
        first = {one.name: one.ends[0] for one in self.ranges}
        corners = [first | {one.name: end} for one in self.ranges for end in one.ends]
        return [Experiment("", self.make_overrides(corner)) for corner in corners]


def read_space(overrides: Iterable[str]) -> Space:
    """Read ranges: `a=1..9`, `a=0.1..1`, `a=0.1..1:log`, `a=x,y`; what has one value is fixed.

    Raises:
        InputError: one is no range, or a parameter is there twice, or nothing is left to search.
    """
    ranges: dict[str, Range] = {}
    fixed: dict[str, str] = {}
    for override in overrides:
        name, _, value = override.partition("=")
        if name in ranges or name in fixed:
            raise InputError(f"-S {override}: {name} is there twice: expected one range for each parameter")
        if match := RANGE.fullmatch(value):
            ranges[name] = _read_numbers(override, name, *match.groups())
            continue
        choices = dict.fromkeys(one.partition("=")[2] for (one,) in expand_grid([override]))
        if len(choices) > 1:
            ranges[name] = Range(name, tuple(choices))
        else:
            fixed[name] = f"{name}={next(iter(choices))}"
    if not ranges:
        raise InputError("nothing to search: expected a range such as -S model.hidden_size=32..128")
    return Space(tuple(ranges[name] for name in sorted(ranges)), tuple(sorted(fixed.values())))


def _read_numbers(override: str, name: str, low: str, high: str, scale: str | None) -> Range:
    try:
        try:
            ends: tuple[float, float] = (int(low), int(high))
        except ValueError:
            ends = (float(low), float(high))
    except ValueError:
        ends = (math.nan, math.nan)
    if not all(map(math.isfinite, ends)) or scale not in (None, "log"):
        raise InputError(f"-S {override}: expected LOW..HIGH or LOW..HIGH:log, with two numbers")
    if not NAME.fullmatch(name):
        raise InputError(f"-S {override}: expected the name of a parameter in params.yaml")
    if ends[0] >= ends[1]:
        raise InputError(f"-S {override}: expected the lower end first, and a higher one")
    if scale and ends[0] <= 0:
        raise InputError(f"-S {override}: expected ends above 0 on a logarithmic scale")
    return Range(name, (), *ends, bool(scale))


def make_distributions(space: Space) -> "dict[str, BaseDistribution]":
    """Return the ranges as Optuna has them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for one in space.ranges:
        if one.choices:
            found[one.name] = CategoricalDistribution(one.choices)
        elif isinstance(one.low, int) and isinstance(one.high, int):
            found[one.name] = IntDistribution(one.low, one.high, log=one.is_log)
        else:
            found[one.name] = FloatDistribution(one.low, one.high, log=one.is_log)
    return found


def round_value(value: Any, one: Range) -> Any:
    """Round a number to a few digits, within its range."""
    return min(max(float(f"{value:.{DIGITS}g}"), one.low), one.high) if isinstance(value, float) else value
