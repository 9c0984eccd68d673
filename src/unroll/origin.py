"""Where a run comes from: the experiment, code, data, packages and machine that made it, as MLflow tags and inputs."""

import getpass
import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from ruamel.yaml import YAML

from unroll.model import choose_device
from unroll.params import Params
from unroll.store import PROCESS, describe_process
from unroll.tokens import Tokens

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

EXPERIMENTS = "dvc.experiments"  # names of the DVC experiments that this run stands for
SPLITS = ("train", "val", "test")
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "tokenizers", "nltk", "dvc", "mlflow")
# What stages write while they run; it says nothing about what they ran on.
RESULTS = (":(exclude,glob)**/metrics/**", ":(exclude,glob)**/dvc.lock")


def describe_origin(params: Params) -> dict[str, str]:
    """Return the tags of a run that this process makes."""
    return (
        {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT", "mlflow.user": _find_user()}
        | {PROCESS: describe_process()}
        | _describe_experiment()
        | _describe_commit()
        | (read_data_hashes(Path("dvc.lock")) if "DVC_STAGE" in os.environ else {})  # by hand, it may be out of date
        | {f"version.{name}": version(name) for name in PACKAGES}
        | {"version.python": platform.python_version(), "threads": str(params.train.threads)}
        | {"device": _describe_device(params.train.device), "machine": f"{platform.system()} {platform.machine()}"}
    )


def read_data_hashes(lock: Path) -> dict[str, str]:
    """Return what DVC recorded of the folders under data/ that the stages before wrote: `dvc.md5.data/tokens`, …"""
    if not lock.is_file():
        return {}
    stages = YAML(typ="safe", pure=True).load(lock)["stages"].values()
    outputs = [output for stage in stages for output in stage.get("outs", [])]
    return {f"dvc.md5.{out['path']}": out["md5"] for out in outputs if out["path"].startswith("data/")}


def describe_splits(splits: dict[str, Tokens], params: Params) -> "list[DatasetInput]":
    """Return the splits as MLflow's inputs of a run, each with a digest of what the model reads of it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    schema = [{"name": name, "type": "string", "required": True} for name in ("text", "label")]
    return [
        DatasetInput(
            Dataset(
                name=f"{params.data.dataset} {split}",
                digest=digest_tokens(tokens)[:8],  # as long as MLflow's own
                source_type="local",
                source=json.dumps({"uri": f"data/splits/{split}.parquet"}),
                schema=json.dumps({"mlflow_colspec": schema}),
                profile=json.dumps({"num_rows": len(tokens), "num_tokens": len(tokens.ids)}),
            ),
            [InputTag("mlflow.data.context", split)],
        )
        for split, tokens in splits.items()
    ]


def digest_tokens(tokens: Tokens) -> str:
    """Return a checksum of a split's texts, as ids, and labels; equal digests are equal rows in equal order."""
    digest = hashlib.md5(usedforsecurity=False)
    for array in (tokens.ids, tokens.offsets, tokens.labels):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _describe_experiment() -> dict[str, str]:
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
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.rstrip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a Git checkout: nothing to say about it


def _describe_device(name: str) -> str:
    device = choose_device(name)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""  # a user without a name, as in some containers
