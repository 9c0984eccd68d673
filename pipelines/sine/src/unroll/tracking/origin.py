"""Where a run comes from: the experiment, code, data, packages and machine that made it, as MLflow tags."""

import getpass
import os
import platform
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path

from ruamel.yaml import YAML

from unroll.tracking.git import ask_git

EXPERIMENTS = "dvc.experiments"  # the names of the DVC experiments that share this run
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "tokenizers", "nltk", "dvc", "mlflow")
# Files that stages write while they run; changes in these say nothing about the code that ran.
RESULTS = (":(exclude,glob)**/metrics/**", ":(exclude,glob)**/dvc.lock")


def describe_origin(stages: Collection[str] = ()) -> dict[str, str]:
    """Return the origin tags of a run that this process makes; stages: those before it, or none for all of them."""
    by_dvc = "DVC_STAGE" in os.environ  # if the stage is run by hand, dvc.lock may be out of date
    return (
        {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT", "mlflow.user": _find_user()}
        | _describe_commit()
        | (read_data_hashes(Path("dvc.lock"), stages) if by_dvc else {})
        | {f"version.{name}": version(name) for name in PACKAGES}
        | {"version.python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    )


def read_data_hashes(lock: Path, stages: Collection[str]) -> dict[str, str]:
    """Return the MD5s that DVC recorded for the earlier stages' outputs under data/: `dvc.md5.data/tokens`, …"""
    if not lock.is_file():
        return {}
    locked = YAML(typ="safe", pure=True).load(lock)["stages"]
    outputs = [output for name in stages or locked for output in locked.get(name, {}).get("outs", [])]
    return {f"dvc.md5.{out['path']}": out["md5"] for out in outputs if out["path"].startswith("data/")}


def describe_experiment() -> dict[str, str]:
    """Return what DVC tells a stage about its experiment."""
    name = os.environ.get("DVC_EXP_NAME")
    return {EXPERIMENTS: name, "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV", "")} if name else {}


def _describe_commit() -> dict[str, str]:
    commit = ask_git("rev-parse", "HEAD").strip()
    if not commit:
        return {}
    changed = [line[3:] for line in ask_git("status", "--porcelain", "--", ":/", *RESULTS).splitlines()]
    tags = {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changed)).lower()}
    return tags | ({"git.changed": ", ".join(changed)[:5000]} if changed else {})


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""  # the user has no name, as in some containers
