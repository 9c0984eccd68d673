"""`make audit`: known vulnerabilities of the pinned packages, risky code, and the packages' licences and wheels."""

import json
import re
import subprocess
import sys
from typing import Any

from unroll.base.errors import InputError, exit_with_message, hide_password
from unroll.base.versions import read_pins
from unroll.cli.console import Format, print_table
from unroll.tools.lock import REQUIREMENTS
from unroll.tools.wheels import audit_wheels

# Common to pip-audit's messages that no server answered.
UNREACHABLE = re.compile(r"requests\.exceptions|ConnectionError|ServiceError|[Tt]imed out")
# Licences that require the source of what is built on them, unless there is a choice; the Lesser GPL does not.
STRICT = re.compile(r"(?<!L)GPL|(?<!Lesser )General Public License")
CHOICE = re.compile(r" OR ", re.IGNORECASE)
# Packages whose metadata is unclear, with what their licence files say.
REVIEWED = {
    "cleanlab": "Apache-2.0",
    "grandalf": "GPL-2.0 or EPL-1.0, as one likes; DVC draws graphs of stages by it",
    "huey": "MIT",
    "pygit2": "GPL-2.0 with an exception for what is linked to it; DVC reads Git by it",
    "skops": "MIT",
}


def main() -> None:
    """Run all audits; exit with code 1 if one of them has found something."""
    try:
        found = [*audit_packages(), *audit_code(), *audit_licences(), *audit_wheels()]
        if found:
            raise InputError("; ".join(found))
    except InputError as error:
        exit_with_message(str(error))


def audit_packages() -> list[str]:
    """Look up known vulnerabilities; if no server answers, say so and go on."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    files = [option for file in REQUIREMENTS for option in ("--requirement", str(file))]  # it ignores `-r` lines
    result = _run("pip_audit", *files, *options)
    if not result.stdout.strip():
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        if not UNREACHABLE.search(result.stderr):
            raise InputError(f"pip-audit failed: {reason}")
        print(f"vulnerabilities: NOT CHECKED, the service cannot be reached ({hide_password(reason)[:200]})")
        return []
    packages = json.loads(result.stdout)["dependencies"]
    print(describe_packages(packages))
    return list_vulnerabilities(packages)


def describe_packages(packages: list[dict[str, Any]]) -> str:
    """Return a line on how many packages could be looked up: pip-audit passes even if it was none."""
    unknown = sum("skip_reason" in package for package in packages)
    checked = f"vulnerabilities: {len(packages) - unknown} of {len(packages)} packages checked"
    return f"{checked}; {unknown} NOT CHECKED, the service does not know them" if unknown else checked


def list_vulnerabilities(packages: list[dict[str, Any]]) -> list[str]:
    """Return a few words about each vulnerability of pip-audit's report."""
    return [
        f"{package['name']} {package['version']} has {flaw['id']} (fixed: {', '.join(flaw['fix_versions']) or 'never'})"
        for package in packages
        for flaw in package.get("vulns", [])
    ]


def audit_code() -> list[str]:
    """Run bandit on the package's code, as pyproject.toml says."""
    result = _run("bandit", "--quiet", "--recursive", "src", "--configfile", "pyproject.toml")
    print(result.stdout.strip() or "code: bandit finds nothing")
    return ["bandit has findings, listed above"] if result.returncode else []


def audit_licences() -> list[str]:
    """Print the licences of the packages that are required."""
    names = [name for file in REQUIREMENTS for name in read_pins(file)]
    result = _run("piplicenses", "--format", "json", "--from", "mixed", "--with-system", "--packages", *names)
    if result.returncode:
        raise InputError(f"pip-licenses failed: {result.stderr.strip()[-300:]}")
    packages = json.loads(result.stdout)
    rows = [[package["Name"], package["Version"], describe_licence(package)] for package in packages]
    print_table(["package", "version", "licence"], rows, Format.TABLE)
    return list_unclear_licences(packages)


def describe_licence(package: dict[str, str]) -> str:
    """Return the licence that a package states, or the one that a person has looked up."""
    return REVIEWED.get(package["Name"].lower(), package["License"])


def list_unclear_licences(packages: list[dict[str, str]]) -> list[str]:
    """Return a few words about each package with an unknown or strict licence that nobody has reviewed."""
    unclear = []
    for package in packages:
        licence = package["License"]
        strict = STRICT.search(licence) and not CHOICE.search(licence)
        if (strict or licence == "UNKNOWN") and package["Name"].lower() not in REVIEWED:
            unclear.append(f"{package['Name']} has the licence {licence!r}: expected one that unroll.tools.audit knows")
    return unclear


def _run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
