"""Checks for which Python versions and platforms the package index has a wheel of every pin (`make audit`)."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from unroll.base.errors import hide_password
from unroll.base.versions import read_pins
from unroll.tools.lock import REQUIREMENTS

PYTHONS = ("3.11", "3.12", "3.13")
NEXT_PYTHON = "3.14"  # missing wheels are printed, but are not a finding
# Platforms by pip's tags; older tags are named, too, to find wheels for older systems.
LINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
PLATFORMS = {
    "Linux x86-64": [f"{tag}_x86_64" for tag in (*LINUX, "manylinux_2_12", "manylinux_2_5", "manylinux1")],
    "Linux ARM": [f"{tag}_aarch64" for tag in LINUX],
    "macOS ARM": ["macosx_14_0_arm64"],
}
# Packages that have never had a wheel: pure Python, which pip builds anywhere.
SOURCE_ONLY = {"antlr4-python3-runtime"}
AT_ONCE = 4  # most of the time goes to waiting for the index
UNREACHABLE = re.compile("Retrying|ConnectionError|NewConnection|[Tt]imed out")
MISSING = re.compile(r"No matching distribution found for ([^=\s]+)==(\S+)")


def audit_wheels() -> list[str]:
    """Ask the index about each version and platform; if it does not answer, say so and go on."""
    pins = {name: pin for file in REQUIREMENTS for name, pin in read_pins(file).items()}
    pins = {name: pin for name, pin in pins.items() if name not in SOURCE_ONLY}
    places = list(product((*PYTHONS, NEXT_PYTHON), PLATFORMS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(lambda place: find_missing(pins, place[0], PLATFORMS[place[1]]), places)
        return [found for place, answer in zip(places, answers, strict=True) if (found := tell(place, *answer))]


def tell(place: tuple[str, str], missing: list[str], reason: str) -> str:
    """Print what was found for a version and platform; return it if it is a finding, or else ""."""
    where = "Python {}, {}".format(*place)
    if reason:
        print(f"wheels: {where}: NOT CHECKED, pip says: {hide_password(reason)[:200]}")
        return ""
    names = ", ".join(missing)
    print(f"wheels: {where}: {f'none of {names}' if missing else 'of every package'}")
    return f"there is no wheel of {names} for {where}" if missing and place[0] in PYTHONS else ""


def find_missing(pins: dict[str, str], python: str, tags: list[str]) -> tuple[list[str], str]:
    """Return the pins without a wheel, and why pip could not tell, or "".

    pip stops at the first missing one, so it is asked again about the others.
    """
    missing: dict[str, str] = {}
    options = ["--dry-run", "--no-deps", "--only-binary=:all:", "--ignore-installed", "--python-version", python]
    options += [option for tag in tags for option in ("--platform", tag)]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        while True:
            asked = [f"{name}=={pin}\n" for name, pin in pins.items() if name not in missing]
            file.write_text("".join(asked), encoding="utf-8")
            message = _ask_pip("install", *options, "--target", folder, "--requirement", str(file))
            gone = MISSING.search(message)
            if not gone:
                return [f"{name} {pin}" for name, pin in missing.items()], message
            missing[gone[1]] = gone[2]


def _ask_pip(*arguments: str) -> str:
    """Return pip's last line about an error, or "" if there is none."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if not result.returncode:
        return ""
    lines = result.stderr.strip().splitlines() or ["no reason given"]
    # If the index does not answer, pip warns, and then ends as if there were no wheel.
    return next((line for line in lines if UNREACHABLE.search(line)), lines[-1])
