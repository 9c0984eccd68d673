"""models/checksums.json: the SHA-256 of each file of a trained model, so that files of two trainings are told apart.

It protects against mix-ups and damage; whoever can change models/ on purpose can change the list, too.
"""

from collections.abc import Collection
from pathlib import Path

from unroll.errors import InputError
from unroll.files import compute_hash, read_json, write_json

CHECKSUMS, WEIGHTS = "checksums.json", "model.safetensors"
TEXT_PARTS = ("cleaning.json", "config.json", "labels.json", "tokenizer.json", WEIGHTS)
SEQUENCE_PARTS = ("config.json", WEIGHTS)


def write_checksums(folder: Path, parts: Collection[str]) -> None:
    """List the files that a training has just used and written."""
    write_json(folder / CHECKSUMS, {name: compute_hash(folder / name, "sha256") for name in parts})


def check_parts(folder: Path, parts: Collection[str]) -> None:
    """Compare files with the list that their training wrote.

    Raises:
        InputError: one is missing, or is not what the list says.
    """
    listed = read_json(folder / CHECKSUMS)
    if not isinstance(listed, dict) or not listed.keys() >= set(parts):
        raise InputError(f"{folder / CHECKSUMS} is not what training writes: expected checksums of {', '.join(parts)}")
    for name in parts:
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing: `dvc repro` makes it, `dvc pull` fetches it")
        if compute_hash(path, "sha256") != listed[name]:
            wanted = f"that {CHECKSUMS} lists" if name == WEIGHTS else f"that {folder / WEIGHTS} was trained with"
            raise InputError(
                f"{path} is not the one {wanted}: expected the files of one training (`unroll check` looks for "
                "damage in DVC's cache)"
            )
