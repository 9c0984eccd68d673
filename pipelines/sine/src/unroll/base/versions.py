"""Check that the installed packages that compute have the versions that the outputs in dvc.lock depend on."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from unroll.base.errors import InputError

COMPUTE = Path(__file__).resolve().parents[2] / "requirements-compute.txt"


def check_versions(file: Path = COMPUTE) -> None:
    """Compare the pinned versions in `file` with those that are installed.

    If unroll is installed without the repository around it, there is no such file and nothing to compare.

    Raises:
        InputError: a version differs, or a line is no pin.
    """
    if not file.is_file():
        return
    place = os.path.relpath(file)
    differing = [
        f"{name} {found or 'is not installed'} (expected {expected})"
        for name, expected in read_pins(file).items()
        if (found := _find_version(name)) is None or _drop_local(found) != _drop_local(expected)
    ]
    if differing:
        raise InputError(
            f"the installed versions are not those of {place}: {', '.join(differing)}: "
            f"`python -m pip install -r {place}` installs those, or write the versions that you mean into it"
        )


def read_pins(file: Path) -> dict[str, str]:
    """Return the version of each package that a requirements file pins, without the files that it includes by `-r`.

    Raises:
        InputError: a line does not have the form NAME==VERSION.
    """
    lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    pins = {}
    for line in lines:
        name, separator, pinned = (part.strip() for part in line.partition("=="))
        if separator and name and pinned:
            pins[name] = pinned
        elif line and not line.startswith("-r "):
            raise InputError(f"{os.path.relpath(file)}: {line!r}: expected NAME==VERSION")
    return pins


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _drop_local(release: str) -> str:
    """Return 2.13.0 for 2.13.0+cpu: builds for other devices have the same version."""
    return release.partition("+")[0]
