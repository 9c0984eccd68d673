"""A grid of experiments: every combination of the values given, each with a name that says which one it is."""

import hashlib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ruamel.yaml import YAML

from unroll.base.errors import InputError

LATE_STAGES = ("train", "evaluate")  # what differs from experiment to experiment; the stages before are prepared once
DOUBLES = 2  # experiments with the same data from which on it pays to prepare them
LONGEST_NAME = 40  # without the digits at its end


@dataclass(frozen=True)
class Experiment:
    """An experiment: its name, and the overrides that `dvc exp run -S` gets."""

    name: str
    overrides: tuple[str, ...]


def plan_experiments(grids: Iterable[Iterable[str]], commit: str, folder: str) -> list[Experiment]:
    """Return the experiments of several grids, each once; folder: the pipeline's, seen from the repository's root.

    Raises:
        InputError: an override is not what Hydra reads, or has no end of values.
    """
    combinations = dict.fromkeys(tuple(sorted(one)) for grid in grids for one in expand_grid(grid))
    return [Experiment(name_experiment(one, commit, folder), one) for one in combinations]


def expand_grid(overrides: Iterable[str]) -> list[tuple[str, ...]]:
    """Return every combination of values, as `dvc exp run --queue -S` does: `a=1,2 b=x` is `a=1 b=x` and `a=2 b=x`."""
    from hydra.core.override_parser.overrides_parser import OverridesParser  # imported here: it takes half a second
    from hydra.errors import OverrideParseException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"-S {error.override}: expected NAME=VALUE or NAME=VALUE,VALUE ({problem})") from None
    values = []
    for one in parsed:
        if not one.is_sweep_override():
            values.append([f"{one.get_key_element()}={one.get_value_element_as_str()}"])
        elif one.is_discrete_sweep():
            values.append([f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()])
        else:
            raise InputError(f"-S {one.input_line}: expected values that can be counted, such as NAME=1,2,3")
    return list(product(*values))


def read_grids(file: Path) -> list[list[str]]:
    """Read a file of experiments: on each line overrides with spaces between them; what follows a # is a comment.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    try:
        grids = [shlex.split(line, comments=True) for line in lines]
    except ValueError as error:
        raise InputError(f"{file}: {str(error).lower()}: expected pairs of quotes") from None
    return [grid for grid in grids if grid]


def name_experiment(overrides: tuple[str, ...], commit: str, folder: str) -> str:
    """Return a name that only these overrides of this commit's pipeline have: their values, and a checksum's digits."""
    digest = hashlib.sha1("\0".join([commit, folder, *overrides]).encode(), usedforsecurity=False).hexdigest()
    values = "-".join(override.partition("=")[2] for override in overrides)
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", values)[:LONGEST_NAME].strip("-.")
    return "-".join(filter(None, [readable, digest[:7]]))


def split_stages(pipeline: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the stages of a dvc.yaml that come before a training, and the parameters that these depend on."""
    stages = YAML(typ="safe", pure=True).load(pipeline)["stages"]
    early = {name: stage for name, stage in stages.items() if name not in LATE_STAGES}
    return tuple(early), tuple(str(param) for stage in early.values() for param in stage.get("params", []))


def plan_preparations(
    experiments: list[Experiment], stages: tuple[str, ...], params: tuple[str, ...], commit: str, folder: str
) -> dict[str, Experiment]:
    """Return the preparation of each experiment, by its name: one for all that agree in what earlier stages read.

    An experiment that is alone with its data prepares that itself.
    """
    groups: dict[tuple[str, ...], list[Experiment]] = {}
    for one in experiments:
        early = tuple(override for override in one.overrides if _concerns(override, params))
        groups.setdefault(early, []).append(one)
    return {
        one.name: Experiment(f"data-{name_experiment(early, commit, f'{folder}/{stages}')}", early)
        for early, members in groups.items()
        if len(members) >= DOUBLES and stages
        for one in members
    }


def _concerns(override: str, params: tuple[str, ...]) -> bool:
    """Whether stages that depend on `params` may read what an override sets; a section stands for all that is in it."""
    name = override.partition("=")[0].lstrip("+~")
    return any(name == param or name.startswith(f"{param}.") or param.startswith(f"{name}.") for param in params)
