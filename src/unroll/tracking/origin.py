"""Where a run comes from: the experiment, code, data, packages and machine that made it, as MLflow tags."""

import getpass
import os
import platform
import re
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from unroll.base.errors import hide_password, make_printable
from unroll.base.files import find_root
from unroll.tracking.git import ask_git, list_changed, list_new

COMMIT, REPOSITORY, DIRTY = "mlflow.source.git.commit", "mlflow.source.git.repoURL", "git.dirty"
EXPERIMENTS = "dvc.experiments"  # the names of the DVC experiments that share this run
PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "tokenizers", "nltk", "dvc", "mlflow")
# Files that stages and MLflow write while they run; changes in these say nothing about the code that ran.
RESULTS = tuple(f":(top,exclude,glob)**/{name}" for name in ("metrics/**", "mlruns/**", "models/README.md", "dvc.lock"))
# Of the files that Git does not track, tables are no code but data, perhaps private: their MD5s name them.
TABLES = tuple(
    f":(top,exclude,icase,glob)**/*.{kind}{gz}" for kind in ("csv", "tsv", "jsonl", "parquet") for gz in ("", ".gz")
)


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
    changed = [*list_changed(RESULTS), *list_new((*RESULTS, *TABLES))]
    # Of the main checkout: DVC's temporary directories have no remote.
    url = remove_password(ask_git("-C", str(find_root()), "remote", "get-url", "origin").strip())
    tags = {COMMIT: commit, DIRTY: str(bool(changed)).lower()} | ({REPOSITORY: url} if url else {})
    return tags | ({"git.changed": make_printable(", ".join(changed))[:5000]} if changed else {})


def remove_password(url: str) -> str:
    """Return the address of a repository so that it still works, without password, and over HTTP without a user."""
    if re.match("(?i)https?:", url):
        return _keep_host_and_path(url)
    url = url.partition("?")[0]
    is_plain = re.fullmatch(r"ssh://([^/:@]+@)?[^@]*|(?!.*://).*", url)
    return url if is_plain else hide_password(url)


def _keep_host_and_path(url: str) -> str:
    """Return an address without user, query and fragment; an empty text if it cannot be told where a password ends."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # what is no number is the beginning of a password with a / in it
    except ValueError:
        return ""
    user, _, host = parts.netloc.rpartition("@")
    is_clear = host and not (user and "@" in parts.path)
    return parts._replace(netloc=host, query="", fragment="").geturl() if is_clear else ""


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""  # the user has no name, as in some containers
