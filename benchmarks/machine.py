"""What the figures were measured on: machine, versions, commit."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from benchmarks.rows import ROOT

PACKAGES = ("torch", "numpy", "pyarrow", "tokenizers")


def describe_machine(document: Path) -> list[tuple[str, str]]:
    """Return names and values; changes to `document`, which is about to be written, make no dirty tree."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return [
        ("processor", f"{_name_processor()}, {os.cpu_count()} cores"),
        ("AVX-512", "yes" if " avx512f " in _read_cpuinfo() else "no"),
        ("memory", f"{psutil.virtual_memory().total / 2**30:.0f} GiB"),
        ("GPU", gpu),
        ("load at the start", f"{os.getloadavg()[0]:.1f} processes that want a core"),
        ("system", f"{platform.system()}, Python {platform.python_version()}"),
        ("packages", versions),
        ("commit", _describe_commit(document)),
    ]


def _name_processor() -> str:
    lines = _read_cpuinfo().splitlines()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _read_cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:  # not on Linux
        return ""


def _describe_commit(document: Path) -> str:
    commit = _run_git("rev-parse", "--short", "HEAD")
    changed = _run_git("status", "--porcelain", "--", ".", f":(exclude){document.resolve().relative_to(ROOT)}")
    return commit + (" + changes" if changed else "")


def _run_git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
