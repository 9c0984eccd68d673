"""The installed versions are those that the outputs depend on, and each package is pinned in one requirements file."""

import platform
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from imports import PACKAGE, find_packages
from unroll.base.errors import InputError
from unroll.base.versions import COMPUTE, check_versions, read_pins
from unroll.tools.lock import REQUIREMENTS, find_versions
from workspaces import ROOT, Workspace

# What stages import, and no output's bytes depend on: it reads parameters, downloads, tracks, shows progress, decides
# where something is computed, or puts what was computed into the places of a text.
TELLS = {"botocore", "charset_normalizer", "distributed", "dvc", "filelock", "jinja2", "markupsafe", "mlflow"}
TELLS |= {"more_itertools", "psutil", "pydantic", "pydantic_core", "requests", "ruamel", "sqlalchemy", "tqdm"}
WRITES_PICTURES = {"pillow"}  # for matplotlib


def write(tmp_path: Path, content: str) -> Path:
    file = tmp_path / "requirements-compute.txt"
    file.write_text(content)
    return file


def test_the_installed_versions_are_the_pinned_ones() -> None:
    assert COMPUTE == ROOT / "src" / "requirements-compute.txt"
    check_versions()


@pytest.mark.parametrize("local", ["", "+cpu", "+cu130"])
def test_builds_for_other_devices_have_the_same_version(tmp_path: Path, local: str) -> None:
    release = version("torch").partition("+")[0]
    check_versions(write(tmp_path, f"# what computes\n\ntorch=={release}{local}  # with its device\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("torch==1.0\n", r"requirements-compute.txt: torch {torch} \(expected 1.0\): `python -m pip install -r .*txt`"),
        ("numpy==1.0\ntorch==1.0\n", r"numpy {numpy} \(expected 1.0\), torch {torch} \(expected 1.0\): "),
        ("no-such-package==1.0\n", r"no-such-package is not installed \(expected 1.0\)"),
        ("torch>=2\n", "requirements-compute.txt: 'torch>=2': expected NAME==VERSION"),
        ("torch==\n", "requirements-compute.txt: 'torch==': expected NAME==VERSION"),
    ],
)
def test_another_version_is_told(tmp_path: Path, content: str, message: str) -> None:
    names = {name: version(name).replace("+", r"\+") for name in ("torch", "numpy")}
    with pytest.raises(InputError, match=message.format(**names)):
        check_versions(write(tmp_path, content))


def test_a_package_without_the_repository_around_it_has_nothing_to_compare(tmp_path: Path) -> None:
    check_versions(tmp_path / "requirements-compute.txt")


def test_every_package_that_stages_compute_with_is_pinned_for_them() -> None:
    stages = [path for path in (PACKAGE / "stages").rglob("*.py") if path.stem not in ("download", "__init__")]
    imported = set().union(*map(find_packages, stages)) - TELLS
    names = {"scikit-learn" if name == "sklearn" else name for name in imported}
    assert set(read_pins(COMPUTE)) == names | WRITES_PICTURES


@pytest.mark.skipif(
    (sys.version_info[:2], platform.system()) != ((3, 11), "Linux"),
    reason="the files were written by Python 3.11 on Linux",
)
def test_the_files_pin_all_that_is_needed_and_each_package_once(tmp_path: Path) -> None:
    """So `make lock` leaves the files unchanged if the pinned versions are installed."""
    names = tuple(map(str, REQUIREMENTS))
    (tmp_path / "src").mkdir()
    for name in (*names, "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    Workspace(tmp_path).run("python", "-m", "unroll.tools.lock", PYTHONPATH=str(ROOT / "src"))
    for name in names:
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()
    pinned = [package for name in names for package in read_pins(ROOT / name)]
    assert len(pinned) == len(set(pinned))
    running = read_pins(ROOT / "requirements.txt")
    assert {"mlflow", "dvc-s3", "vl-convert-python", "setuptools"} <= set(running)
    assert not {"pytest", "ruff", "moto", "selenium", "hypothesis", "distributed"} & set(running)


def test_a_build_for_a_device_pins_nothing_that_other_builds_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "a_network-2.0+cu130.dist-info"
    info.mkdir()
    needs = ("numpy", "nvidia-cublas==13.1", "cuda-bindings>=13; sys_platform == 'linux'", "triton", "x; extra == 'y'")
    lines = [
        "Metadata-Version: 2.1",
        "Name: a-network",
        "Version: 2.0+cu130",
        *(f"Requires-Dist: {one}" for one in needs),
    ]
    (info / "METADATA").write_text("\n".join([*lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_versions(["a-network"]) == {"a-network": "2.0", "numpy": version("numpy")}
    with pytest.raises(InputError, match="x is not installed"):
        find_versions(["a-network[y]"])
