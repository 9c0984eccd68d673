"""`make lock`: write the versions that are installed to the files of requirements."""

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from unroll.base.errors import InputError, end_in_one_line
from unroll.base.versions import read_pins

# Packages that only PyTorch's builds for a device need; those builds pin the versions themselves.
DEVICE = ("cuda-", "nvidia-", "triton")
REQUIREMENTS = [
    Path(name)
    for name in (
        "src/requirements-compute.txt",
        "requirements.txt",
        "requirements-cluster.txt",
        "requirements-dev.txt",
    )
]


def main() -> None:
    """Write each package to one file: those that compute keep their file, the others go where they are first needed."""
    with end_in_one_line(with_bugs=False):
        compute, run, cluster, develop = REQUIREMENTS
        project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
        comments = [line for line in compute.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        computing = find_versions(list(read_pins(compute)), deep=False)
        running = find_versions(project["project"]["dependencies"] + project["build-system"]["requires"])
        extras = project["project"]["optional-dependencies"]
        spreading, developing = find_versions(extras["cluster"]), find_versions(extras["dev"])
        write_pins(compute, comments, computing)
        write_pins(run, [f"-r {compute}"], _leave_out(running, computing))
        write_pins(cluster, [f"-r {run}"], _leave_out(spreading, computing | running))
        write_pins(develop, [f"-r {cluster}"], _leave_out(developing, computing | running | spreading))


def find_versions(requirements: list[str], deep: bool = True) -> dict[str, str]:
    """Return the installed version of each required package; deep: and of all their dependencies on this platform.

    Raises:
        InputError: a package is not installed.
    """
    found: dict[str, str] = {}
    waiting, seen = [Requirement(text) for text in requirements], set()
    while waiting:
        required = waiting.pop()
        key = canonicalize_name(required.name), frozenset(required.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            package = distribution(required.name)
        except PackageNotFoundError:
            raise InputError(f"{required.name} is not installed: expected all that pyproject.toml asks for") from None
        found[package.metadata["Name"]] = package.version.partition("+")[0]  # no index has local versions
        needed = [Requirement(text) for text in package.requires or []] if deep else []
        waiting += [one for one in needed if _is_asked_for(one, required.extras)]
    return found


def write_pins(file: Path, head: list[str], pins: dict[str, str]) -> None:
    """Write a requirements file, its pins sorted by name."""
    lines = [f"{name}=={pinned}" for name, pinned in sorted(pins.items(), key=lambda pin: pin[0].lower())]
    file.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")


def _is_asked_for(required: Requirement, extras: set[str]) -> bool:
    if required.name.startswith(DEVICE):
        return False
    return required.marker is None or any(required.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _leave_out(pins: dict[str, str], others: dict[str, str]) -> dict[str, str]:
    return {name: pinned for name, pinned in pins.items() if name not in others}


if __name__ == "__main__":
    main()
