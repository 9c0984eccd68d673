"""Where a run comes from: the experiment, code, data, packages and machine that made it, as MLflow tags."""

import getpass
import os
import platform
import subprocess
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path

from ruamel.yaml import YAML

from unroll.tracking.store import PROCESS, describe_process

EXPERIMENTS = "dvc.experiments"  # names of the DVC experiments that this run stands for
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "tokenizers", "nltk", "dvc", "mlflow")
# What stages write while they run; it says nothing about what they ran on.
RESULTS = (":(exclude,glob)**/metrics/**", ":(exclude,glob)**/dvc.lock")


def describe_origin(stages: Collection[str] = ()) -> dict[str, str]:
    """Return the tags of a run that this process makes; stages: those that it stands on, or none for all of them."""
    by_dvc = "DVC_STAGE" in os.environ  # by hand, dvc.lock may be out of date
    return (
        {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT", "mlflow.user": _find_user()}
        | {PROCESS: describe_process()}
        | _describe_commit()
        | (read_data_hashes(Path("dvc.lock"), stages) if by_dvc else {})
        | {f"version.{name}": version(name) for name in PACKAGES}
        | {"version.python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    )


def read_data_hashes(lock: Path, stages: Collection[str]) -> dict[str, str]:
    """Return what DVC recorded of the folders under data/ that the stages before wrote: `dvc.md5.data/tokens`, …"""
    if not lock.is_file():
        return {}
    locked = YAML(typ="safe", pure=True).load(lock)["stages"]
    outputs = [output for name in stages or locked for output in locked.get(name, {}).get("outs", [])]
    return {f"dvc.md5.{out['path']}": out["md5"] for out in outputs if out["path"].startswith("data/")}


def describe_experiment() -> dict[str, str]:
    """Return what DVC tells a stage of the experiment that it is part of."""
    name = os.environ.get("DVC_EXP_NAME")
    return {EXPERIMENTS: name, "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV", "")} if name else {}


def _describe_commit() -> dict[str, str]:
    commit = _ask_git("rev-parse", "HEAD")
    if not commit:
        return {}
    changed = [line[3:] for line in _ask_git("status", "--porcelain", "--", ":/", *RESULTS).splitlines()]
    tags = {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changed)).lower()}
    return tags | ({"git.changed": ", ".join(changed)[:5000]} if changed else {})


def _ask_git(*arguments: str) -> str:
    # Without the lock that `git status` takes to note what it saw, and that would stop a person's `git commit`.
    command = ["git", "--no-optional-locks", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a Git checkout: nothing to say about it


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""  # a user without a name, as in some containers
