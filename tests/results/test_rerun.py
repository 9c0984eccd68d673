"""What the rerun of a pipeline tells; tests/pipeline/test_reproduce.py runs real ones."""

import sys
from pathlib import Path

import pytest

from builders import NOT_PORTABLE
from unroll.base.errors import InputError
from unroll.results.rerun import choose_python, explain_difference


@pytest.mark.parametrize(
    ("train", "tags", "reasons"),
    [
        ("threads: 1", {}, [f"here {NOT_PORTABLE}"] if NOT_PORTABLE else []),
        ("threads: 2", {}, ["here it uses 2 threads"]),
        ("processes: 4", {}, ["here it uses 4 processes"]),
        ("portable: false", {"portable": "no, as it uses CUDA"}, ["train.portable is false", "it uses CUDA where"]),
        ("threads: 2", {"restored": "true"}, ["here it uses 2 threads", "the run was made after the training"]),
    ],
)
def test_why_other_bytes_were_to_be_expected(
    tmp_path: Path, train: str, tags: dict[str, str], reasons: list[str]
) -> None:
    (tmp_path / "params.yaml").write_text(f"train: {{device: cpu, {train}}}\n")
    told = explain_difference(tmp_path, tags)
    assert all(reason in told for reason in reasons) and len(told.split("; ")) == max(len(reasons), 1)
    assert explain_difference(tmp_path / "no parameters", {}) in ("", f"here {NOT_PORTABLE}")


def test_packages_that_cannot_be_installed_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    assert choose_python(tmp_path, lambda heading, text: told.append(text)) == sys.executable and told == []
    (tmp_path / "src").mkdir()
    (tmp_path / "src/requirements-compute.txt").write_text("torch==0.0.1\n")
    (tmp_path / "Makefile").write_text("setup:\n\t@echo 'error: no network'; exit 1\n")
    with pytest.raises(InputError, match=r"^the packages of the commit could not be installed: make setup: "):
        choose_python(tmp_path, lambda heading, text: told.append(text))
    assert "(expected 0.0.1): `make setup` installs those" in told[0]
