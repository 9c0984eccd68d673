"""DVC's cache, read again.

DVC never looks at the content of a write-protected file of its cache: it would check out a damaged one, push it, and
put it in the place of a good one that a stage has just made.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from tqdm import tqdm

from unroll.errors import InputError
from unroll.files import compute_hash

ENTRY = re.compile(r"[0-9a-f]{30}(\.dir)?")  # after two digits that are the folder's name


@dataclass(frozen=True)
class Damage:
    """A file whose content has not the MD5 that it is known by."""

    path: Path
    found_md5: str


def find_cache() -> Path:
    """Return the folder of DVC's cache.

    Raises:
        InputError: this folder is in no DVC repository.
    """
    result = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise InputError(f"DVC cannot say where its cache is: {result.stderr.strip()}")
    return Path(result.stdout.strip()) / "files" / "md5"


def list_entries(cache: Path) -> list[Path]:
    """Return the files of the cache that are named after the MD5 of their content, in order."""
    return sorted(path for path in cache.glob("[0-9a-f][0-9a-f]/*") if ENTRY.fullmatch(path.name))


def find_damage(entries: list[Path]) -> list[Damage]:
    """Read these files of the cache; return those that are not what their name says."""
    progress = tqdm(entries, unit=" files", desc="check", disable=None)
    found = [Damage(path, compute_hash(path, "md5")) for path in progress]
    return [damage for damage in found if damage.found_md5 != damage.path.parent.name + damage.path.stem]


def list_copies(damages: list[Damage], lock: Path) -> list[Path]:
    """Return the outputs in dvc.lock, or the files in them, that have the same wrong content: they come from there."""
    wrong = {damage.found_md5 for damage in damages}
    if not wrong or not lock.is_file():
        return []
    stages = YAML(typ="safe", pure=True).load(lock)["stages"].values()
    outputs = [Path(output["path"]) for stage in stages for output in stage.get("outs", [])]
    files = [path for output in outputs for path in (output, *output.rglob("*")) if path.is_file()]
    return sorted(path for path in files if compute_hash(path, "md5") in wrong)
