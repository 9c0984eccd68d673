"""`make audit`: what counts as a finding in the tools' reports, and what is said if nothing could be looked up."""

import json
import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from unroll.base.errors import InputError
from unroll.base.versions import COMPUTE, read_pins
from unroll.tools import audit, wheels

CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0)"}
FLAWED = {"name": "jinja2", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.0", "2.1"]}]}


def answer(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> None:
    """Make pip-audit print this."""
    result = subprocess.CompletedProcess([], 1, stdout, stderr)
    monkeypatch.setattr(audit, "_run", lambda module, *arguments: result)


@pytest.mark.parametrize(
    ("packages", "line", "found"),
    [
        ([CLEAN], "vulnerabilities: 1 of 1 packages checked", []),
        (
            [CLEAN, FLAWED],
            "vulnerabilities: 2 of 2 packages checked",
            ["jinja2 2.0 has PYSEC-1 (fixed: 3.0, 2.1)"],
        ),
        # Of which pip-audit itself says that no vulnerabilities were found.
        ([CLEAN, UNKNOWN], "1 of 2 packages checked; 1 NOT CHECKED, the service does not know them", []),
    ],
)
def test_vulnerabilities(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], packages: list, line: str, found: list[str]
) -> None:
    answer(monkeypatch, json.dumps({"dependencies": packages}))
    assert audit.audit_packages() == found
    assert line in capsys.readouterr().out


def test_every_pin_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        asked.extend(value for option, value in pairwise(arguments) if option == "--requirement")
        return subprocess.CompletedProcess([], 0, json.dumps({"dependencies": [CLEAN]}), "")

    monkeypatch.setattr(audit, "_run", ask)
    audit.audit_packages()
    assert asked == [
        "src/requirements-compute.txt",
        "requirements.txt",
        "requirements-cluster.txt",
        "requirements-dev.txt",
    ]


def test_a_service_that_cannot_be_reached_is_told_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "", "Traceback\nrequests.exceptions.ConnectionError: http://me:secret@proxy\n")
    assert audit.audit_packages() == []
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("vulnerabilities: NOT CHECKED, the service cannot be reached (") and "secret" not in line
    answer(monkeypatch, "", "No module named pip_audit\n")
    with pytest.raises(InputError, match="pip-audit failed: No module named pip_audit"):
        audit.audit_packages()


@pytest.mark.parametrize(
    ("name", "licence", "is_clear"),
    [
        ("a", "MIT", True),
        ("a", "LGPL-2.1-only", True),
        ("a", "GNU Lesser General Public License v3 (LGPLv3)", True),
        ("a", "Apache-2.0 OR GPL-2.0-or-later", True),
        ("a", "GPL-3.0-only", False),
        ("a", "AGPL-3.0", False),
        ("a", "GNU General Public License v2 (GPLv2)", False),
        ("a", "UNKNOWN", False),
        ("huey", "UNKNOWN", True),
    ],
)
def test_licences(name: str, licence: str, is_clear: bool) -> None:
    found = audit.list_unclear_licences([{"Name": name, "Version": "1", "License": licence}])
    assert found == ([] if is_clear else [f"a has the licence {licence!r}: expected one that unroll.tools.audit knows"])


def let_pip_lack(monkeypatch: pytest.MonkeyPatch, python: str, *names: str, otherwise: str = "") -> None:
    """Make the index lack wheels of these for this Python on ARM; pip names the first that it does not find."""

    def ask(*arguments: str) -> str:
        if not {python, "manylinux_2_28_aarch64"} <= set(arguments):
            return ""
        asked = Path(arguments[-1]).read_text().splitlines()
        lacking = [line for line in asked if line.partition("==")[0] in names]
        return f"ERROR: No matching distribution found for {lacking[0]}" if lacking else otherwise

    monkeypatch.setattr(wheels, "_ask_pip", ask)


def test_every_pin_without_a_wheel_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = read_pins(COMPUTE)
    let_pip_lack(monkeypatch, "3.13", "torch", "gensim")
    missing = f"gensim {pins['gensim']}, torch {pins['torch']}"
    assert wheels.audit_wheels() == [f"there is no wheel of {missing} for Python 3.13, Linux ARM"]
    lines = capsys.readouterr().out.splitlines()
    assert f"wheels: Python 3.13, Linux ARM: none of {missing}" in lines
    assert len([line for line in lines if line.endswith(": of every package")]) == 11


def test_what_the_next_python_lacks_is_told_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_pip_lack(monkeypatch, wheels.NEXT_PYTHON, "gensim")
    assert wheels.audit_wheels() == []
    assert f"wheels: Python {wheels.NEXT_PYTHON}, Linux ARM: none of gensim " in capsys.readouterr().out


def test_an_index_that_does_not_answer_is_told_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_pip_lack(monkeypatch, "3.11", otherwise="ERROR: Could not reach http://me:secret@index/")
    assert wheels.audit_wheels() == []
    out = capsys.readouterr().out
    assert "wheels: Python 3.11, Linux ARM: NOT CHECKED, pip says: ERROR: Could not reach http://…@index/" in out


def test_an_index_without_a_server_is_not_taken_for_one_without_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CONFIG_FILE": os.devnull, "INDEX_URL": "http://127.0.0.1:9", "FIND_LINKS": ""}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    missing, reason = wheels.find_missing({"no-such-package": "1.0"}, "3.12", ["macosx_14_0_arm64"])
    assert missing == [] and "Retrying" in reason
