"""The code and the samples have licenses, in files where people look for them."""

import tomllib
from pathlib import Path

import pytest

from unroll.data.datasets import find_sample

ROOT = Path(__file__).parents[1]


def test_the_code_is_under_the_mit_license() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    first, _, holder, *_ = (ROOT / "LICENSE").read_text().splitlines()
    assert (first, holder) == ("MIT License", "Copyright (c) 2026 the unroll authors")


@pytest.mark.parametrize("folder", [".", "pipelines/imdb"])
def test_samples_are_in_the_public_domain_and_still_the_one_table_in_their_folder(folder: str) -> None:
    sample = ROOT / folder / "data" / "sample"
    assert "CC0-1.0" in (sample / "README.md").read_text()
    assert (sample / "README.md").read_text().startswith(f"{find_sample(sample).name}: ")


def test_the_changelog_has_the_packages_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [")]
    assert versions[0] == "## [Unreleased]"
    assert versions[1].startswith(f"## [{project['version']}] - ")
