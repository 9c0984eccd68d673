"""unroll check: find and remove damaged files in DVC's cache."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from tqdm import tqdm

from unroll.base.errors import InputError
from unroll.base.files import compute_hash


def check() -> None:
    """Read DVC's cache again, and remove what is damaged: a file whose content is not what DVC knows it by.

    Its copies among the outputs go with it, so that DVC notices that they are missing.
    """
    from unroll.cli.check import find_cache, find_damage, list_copies, list_entries

    entries = list_entries(find_cache())
    damages = find_damage(entries)
    removed = [damage.path for damage in damages] + list_copies(damages, Path("dvc.lock"))
    for path in removed:
        path.unlink()
        print(f"removed {path}")
    if damages:
        raise InputError(
            f"{len(damages)} of {len(entries)} files in DVC's cache were damaged: `dvc pull` fetches them again, if "
            "they were pushed before, `dvc repro` makes them again"
        )
    print(f"{len(entries)} files in DVC's cache, none damaged")


ENTRY = re.compile(r"[0-9a-f]{30}(\.dir)?")  # the folder's name has the first two digits


@dataclass(frozen=True)
class Damage:
    """A file whose content does not have the MD5 in its name."""

    path: Path
    found_md5: str


def find_cache() -> Path:
    """Return the folder of DVC's cache.

    Raises:
        InputError: this folder is not in a DVC repository.
    """
    result = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise InputError(f"DVC cannot say where its cache is: {result.stderr.strip()}")
    return Path(result.stdout.strip()) / "files" / "md5"


def list_entries(cache: Path) -> list[Path]:
    """Return the files of the cache that are named after the MD5 of their content, in order."""
    return sorted(path for path in cache.glob("[0-9a-f][0-9a-f]/*") if ENTRY.fullmatch(path.name))


def find_damage(entries: list[Path]) -> list[Damage]:
    """Read these files of the cache; return those that do not match their name."""
    progress = tqdm(entries, unit=" files", desc="check", disable=None)
    found = [Damage(path, compute_hash(path, "md5")) for path in progress]
    return [damage for damage in found if damage.found_md5 != damage.path.parent.name + damage.path.stem]


def list_copies(damages: list[Damage], lock: Path) -> list[Path]:
    """Return the outputs in dvc.lock, or files in them, with the same wrong content: copies of the damaged file."""
    wrong = {damage.found_md5 for damage in damages}
    if not wrong or not lock.is_file():
        return []
    stages = YAML(typ="safe", pure=True).load(lock)["stages"].values()
    outputs = [Path(output["path"]) for stage in stages for output in stage.get("outs", [])]
    files = [path for output in outputs for path in (output, *output.rglob("*")) if path.is_file()]
    return sorted(path for path in files if compute_hash(path, "md5") in wrong)
