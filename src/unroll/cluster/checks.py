"""What must hold before experiments go to other machines; each thing that does not is one line."""

import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import requests
from ruamel.yaml import YAML

from unroll.base.errors import InputError, hide_password
from unroll.base.portable import find_obstacle
from unroll.base.versions import read_pins
from unroll.cluster.experiment import Job, fetch_data, open_clone
from unroll.cluster.grid import Experiment
from unroll.params.common import PipelineParams, TrainParams, check_params, read_yaml
from unroll.results.commands import DVC, Failure, make_environment
from unroll.results.pipelines import choose_schema
from unroll.tracking.git import ask_git
from unroll.tracking.sharing import is_server, read_clock
from unroll.tracking.store import find_tracking_uri

NAME = re.compile(r"\w+(\.\w+)*")  # of a parameter
PINS = ("src/requirements-compute.txt", "requirements.txt")  # of what runs; seen from the repository's root


@dataclass(frozen=True)
class Source:
    """Where workers get code and data: a commit, the pipeline's folder in it, Git's remote and DVC's."""

    root: Path
    folder: str
    commit: str
    git_url: str
    storage: str
    storage_url: str


def find_source(remote: str) -> Source:
    """Return where workers get what the current folder has.

    Raises:
        InputError: something is not committed, not pushed, or there is no remote.
    """
    root = ask_git("rev-parse", "--show-toplevel").strip()
    if not root:
        raise InputError(f"{Path.cwd()} is in no Git repository: expected a clone with a pipeline")
    changed = ask_git("status", "--porcelain").splitlines()
    if changed:
        raise InputError(f"{changed[0][3:]} is not committed: workers get what is in Git; commit it or put it away")
    git_url = ask_git("remote", "get-url", remote).strip()
    if not git_url:
        raise InputError(f"Git has no remote {remote!r}: workers get code from there; `git remote add {remote} URL`")
    try:
        ask_git("fetch", "--quiet", remote, check=True)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1]
        raise InputError(f"Git's remote {hide_password(git_url)} cannot be reached: {reason}") from None
    if not ask_git("branch", "--remotes", "--contains", "HEAD", "--list", f"{remote}/*").strip():
        raise InputError(f"the commit is not on Git's remote {remote!r}, where workers get it: `git push` it")
    local = Path(root, git_url)
    storage, storage_url = _find_storage()
    return Source(
        root=Path(root),
        folder=ask_git("rev-parse", "--show-prefix").strip(),
        commit=ask_git("rev-parse", "HEAD").strip(),
        git_url=str(local.resolve()) if local.exists() else git_url,
        storage=storage,
        storage_url=storage_url,
    )


def _find_storage() -> tuple[str, str]:
    """Return name and address of DVC's default remote; DVC prints the path of a folder as an absolute one."""
    environment = make_environment() | {"COLUMNS": "10000"}  # else it breaks lines, as in a narrow terminal
    result = subprocess.run([*DVC, "remote", "list"], env=environment, capture_output=True, text=True)
    for line in result.stdout.splitlines():
        name, *address = line.split()
        if address and address[-1] == "(default)":
            return name, " ".join(address[:-1])
    raise InputError("DVC has no default remote: workers get data from there; `dvc remote add --default NAME URL`")


def choose_tracking(experiments: Iterable[PipelineParams], root: Path, is_here: bool) -> dict[str, str]:
    """Return the environment variables that let experiments log to the store of this repository, if any does.

    Raises:
        InputError: the store is a file of this machine, and the workers are on others.
    """
    if not any(params.tracking.enabled for params in experiments):
        return {}
    uri = find_tracking_uri(root)
    if not is_here and not is_server(uri):
        raise InputError(
            f"MLflow's store {uri} is a file of this machine: expected MLFLOW_TRACKING_URI=http://… of a server that "
            "workers reach, or -S tracking.enabled=false"
        )
    return {"MLFLOW_TRACKING_URI": uri}


def inspect_worker(job: Job) -> dict[str, Any]:
    """Return what matters about a worker's machine: its packages, its processor, and what it cannot reach.

    This runs on the worker.
    """
    missing = ""
    try:
        with open_clone(job) as folder:
            fetch_data(folder, make_environment() | job.environment)  # into the cache that its experiments share
    except (Failure, OSError) as error:
        missing = str(error)
    uri = job.environment.get("MLFLOW_TRACKING_URI", "")
    if not missing:
        try:
            read_clock(uri)  # asks a server
        except requests.RequestException as error:
            missing = f"MLflow's store {hide_password(uri)} ({type(error).__name__})"
    return {
        "packages": list_packages(),
        "processor": f"{platform.machine()} {_name_processor()}",
        "obstacle": find_obstacle(),
        "missing": missing,
    }


def list_packages() -> dict[str, str]:
    """Return the versions of Python and of all packages; builds for other devices have the same version."""
    first_last = reversed([*distributions()])  # of several of a name, Python takes the first
    found = {one.metadata["Name"].lower(): one.version.partition("+")[0] for one in first_last}
    return found | {"python": platform.python_version()}


def check_workers(workers: Mapping[str, Mapping[str, Any]], pins: Iterable[str], need_portable: bool) -> None:
    """Compare what `inspect_worker` found on each worker with this machine; pins: the packages that matter.

    Raises:
        InputError: a worker differs in packages or reaches not all; or bytes depend on a processor that not all have.
    """
    here = list_packages()
    names = ["python", *(name.lower() for name in pins)]
    for worker, facts in workers.items():
        if facts["missing"]:
            raise InputError(f"the worker {worker} cannot start an experiment: {facts['missing']}")
        differing = [
            f"{name} {facts['packages'].get(name, 'is not installed')} (here {here[name]})"
            for name in names
            if name in here and facts["packages"].get(name) != here[name]
        ]
        if differing:
            more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
            raise InputError(f"the worker {worker} has other packages: {', '.join(differing[:3])}{more}")
    processors = sorted({facts["processor"] for facts in workers.values()})
    obstacle = next((facts["obstacle"] for facts in workers.values() if facts["obstacle"]), "")
    if len(processors) > 1 and (obstacle or not need_portable):
        reason = obstacle or "not all experiments ask for portable bytes"
        raise InputError(
            f"the workers have different processors ({', '.join(processors)}), whose last digits differ, as {reason}: "
            "expected one kind, or train.portable with one thread on the CPU (docs/portability.md)"
        )


def read_pinned_names(root: Path) -> list[str]:
    """Return the names of the packages that the repository pins."""
    return [name for file in PINS for name in read_pins(root / file)]


def read_experiments(experiments: Iterable[Experiment], path: Path = Path("params.yaml")) -> list[PipelineParams]:
    """Return the parameters of each experiment, checked as its first stage would.

    Raises:
        InputError: a parameter is wrong or unknown.
    """
    found = []
    for one in experiments:
        values = read_yaml(path)
        for override in one.overrides:
            name, _, value = override.partition("=")
            if NAME.fullmatch(name):  # else it adds, removes, or means another file
                *sections, key = name.split(".")
                section = reduce(lambda found, part: found.setdefault(part, {}), sections, values)
                section[key] = YAML(typ="safe", pure=True).load(value)
        found.append(check_params(values, choose_schema(values), path))
    return found


def asks_for_portable(train: TrainParams) -> bool:
    """Whether a training computes portable bytes where the processor can: it asks for them, and one thread does."""
    return train.portable is not False and train.threads == 1 and train.processes == 1


def _name_processor() -> str:
    """Return the processor's name as Linux tells it, or as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), sys.platform)
