"""The chain from the data to a figure, read from what one commit holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from shlex import join
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unroll.base.errors import InputError, hide_password
from unroll.params.texts import SAMPLE
from unroll.results.places import Place
from unroll.tracking.git import ask_git, read_files
from unroll.tracking.origin import RESULTS

LOCK, PARAMS, DATA, PACKAGES = "dvc.lock", "params.yaml", "metrics/data.json", "src/requirements-compute.txt"
MODELS = ("models/model.safetensors", "models/linear")
DEFAULTS = ("refs/heads/main", "refs/remotes/origin/HEAD", "HEAD")  # whose parameters count as the defaults
UNSET = "–"


@dataclass(frozen=True)
class Data:
    """What metrics/data.json and the parameters say of the data; rows are None where no stage counts them."""

    dataset: str
    addresses: tuple[str, ...]  # without passwords; none for what comes with the repository or the data set
    sources: dict[str, dict[str, Any]]  # by part: SHA-256 and number of bytes of the file
    rows_in: int | None
    rows_out: int | None
    dropped: dict[str, int]  # rows by reason


@dataclass(frozen=True)
class Stage:
    name: str
    outputs: dict[str, str]  # MD5s by path


@dataclass(frozen=True)
class Chain:
    """What made a figure, from the data on."""

    place: Place
    data: Data
    stages: tuple[Stage, ...]  # those that lead to the file, in order
    changed: dict[str, tuple[str, str]]  # parameters that are not the defaults, and those
    defaults: str  # whose these are
    params: dict[str, Any]  # flat, all of them
    packages: tuple[str, ...]  # that compute, with their versions
    model: str  # its path
    model_md5: str  # empty if none of the stages makes a model
    outputs: dict[str, str]  # of all stages
    uncommitted: tuple[str, ...] = ()  # files, if the figure is not committed either

    @property
    def experiment(self) -> str:
        """The name of the DVC experiment whose commit it is, or empty."""
        return next((ref.name for ref in self.place.tips if ref.is_experiment), "")

    @property
    def command(self) -> str:
        """What makes it again, in a folder of its own if it is committed."""
        if not self.place.commit.id:
            return "dvc repro"
        pipeline = ("--pipeline", self.place.folder.rstrip("/")) if self.place.folder else ()
        return join(("unroll", "reproduce", self.place.commit.id[:10], "--folder", suggest_folder(), *pipeline))


def suggest_folder() -> str:
    """Return a new folder beside the repository, as seen from the current one."""
    return f"{ask_git('rev-parse', '--show-cdup').strip()}../again"


def read_chain(place: Place) -> Chain:
    """Read the chain of a figure from its commit, or from the working folder if it is not committed."""
    name, revision = _choose_defaults(place)
    paths = [place.folder + file for file in (LOCK, PARAMS, DATA)] + [PACKAGES]
    *here, defaults = read_files([f"{place.commit.id}:{path}" for path in paths] + [f"{revision}:{paths[1]}"])
    uncommitted: tuple[str, ...] = ()
    if not place.commit.id:
        root = Path(ask_git("rev-parse", "--show-toplevel").rstrip("\n"))
        here = [(root / path).read_bytes() if (root / path).is_file() else None for path in paths]
        status = ask_git("status", "--porcelain", "--no-renames", "--", ":/", *RESULTS)
        uncommitted = tuple(line[3:] for line in status.splitlines())
    return make_chain(place, [content or b"" for content in here], defaults or b"", name, uncommitted)


def make_chain(
    place: Place, contents: list[bytes], defaults: bytes, name: str, uncommitted: tuple[str, ...] = ()
) -> Chain:
    """Make the chain from dvc.lock, params.yaml, data.json and the list of packages; defaults: another params.yaml."""
    lock, params, about, packages = contents
    stages = read_stages(lock)
    flat, usual = _flatten(read_yaml(params)), _flatten(read_yaml(defaults))
    outputs = {path: md5 for stage in stages.values() for path, md5 in list_md5s(stage, "outs").items()}
    leading = tuple(Stage(stage, list_md5s(stages[stage], "outs")) for stage in order_stages(stages, place.file))
    made = {path: md5 for stage in leading for path, md5 in stage.outputs.items()}
    model = next((path for path in MODELS if path in made), "")
    return Chain(
        place=place,
        data=_describe_data(flat, about),
        stages=leading,
        changed={
            key: (str(flat.get(key, UNSET)), str(usual.get(key, UNSET)))
            for key in flat | usual
            if flat.get(key, UNSET) != usual.get(key, UNSET) and not key.startswith("tracking.")
        },
        defaults=name,
        params=flat,
        packages=tuple(line for line in packages.decode(errors="replace").splitlines() if "==" in line),
        model=model,
        model_md5=made.get(model, ""),
        outputs=outputs,
        uncommitted=uncommitted,
    )


def _choose_defaults(place: Place) -> tuple[str, str]:
    """Return name and revision of what the parameters are compared with.

    For an experiment, that is the commit it started from; else the branch main.
    """
    for ref in place.tips:
        if ref.is_experiment:
            start = "".join(ref.ref.split("/")[2:4])
            return f"{start[:10]}, where the experiment started", start
    known = (ref for ref in DEFAULTS if ask_git("rev-parse", "--verify", "--quiet", ref))
    revision = next(known, "HEAD")
    return revision.removeprefix("refs/heads/").removeprefix("refs/remotes/"), revision


def read_stages(lock: bytes) -> dict[str, dict[str, Any]]:
    """Return what a dvc.lock records of each stage."""
    return _keep_sections(_read_section(read_yaml(lock), "stages"))


def order_stages(stages: Mapping[str, Any], file: str = "") -> list[str]:
    """Return the stages that lead to a file in the order of their inputs and outputs; all stages if none makes it."""
    makers = {path: name for name, stage in stages.items() for path in list_md5s(stage, "outs")}
    before = {
        name: {makers[path] for path in list_md5s(stage, "deps") if path in makers} for name, stage in stages.items()
    }
    leading = {makers[file]} if file in makers else set(stages)
    while further := {name for stage in leading for name in before[stage]} - leading:
        leading |= further
    order = TopologicalSorter({name: sorted(before[name]) for name in sorted(leading)})
    try:
        return list(order.static_order())
    except CycleError:
        raise InputError(f"{LOCK} is no record of a pipeline: its stages depend on each other in a circle") from None


def _describe_data(params: Mapping[str, Any], content: bytes) -> Data:
    try:
        about = json.loads(content or b"{}")
    except ValueError:
        about = {}
    about = about if isinstance(about, dict) else {}
    dataset = str(params.get("data.dataset", ""))
    addresses = (params.get(f"data.{name}") for name in ("file", "url", "test_file", "test_url"))
    if dataset != "sample":
        addresses = (address for address in addresses if address != SAMPLE)
    return Data(
        dataset=dataset,
        addresses=tuple(dict.fromkeys(hide_password(str(address)) for address in addresses if address)),
        sources=_read_section(about, "sources"),
        rows_in=about.get("rows_in"),
        rows_out=about.get("rows_out"),
        dropped=_read_section(about, "dropped"),
    )


def list_md5s(stage: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Return the MD5s of a stage's "outs" or "deps" by path."""
    entries = [entry for entry in stage.get(kind) or () if isinstance(entry, dict)]
    return {str(entry["path"]): str(entry.get("md5", "")) for entry in entries if "path" in entry}


def _flatten(params: Mapping[str, Any]) -> dict[str, Any]:
    sections = _keep_sections(params)
    return {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}


def _keep_sections(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: values for name, values in content.items() if isinstance(values, dict)}


def _read_section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _keep_sections(content).get(name, {})


def read_yaml(content: bytes) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; an empty one if it holds none."""
    try:
        found = YAML(typ="safe", pure=True).load(content)
    except (YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
