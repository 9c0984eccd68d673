"""Runs all stages of a pipeline in a clone, taking nothing from earlier runs but what cannot be made again."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unroll.base.errors import InputError
from unroll.base.versions import check_versions
from unroll.results.clone import list_imports
from unroll.results.commands import Failure, make_environment, run_command
from unroll.results.outputs import read_outputs
from unroll.results.trace import list_md5s, order_stages, read_stages, read_yaml

Tell = Callable[[str, str], None]  # gets a heading and what is told
FAILED = re.compile(r"failed to reproduce '(.+?)'")
PINS = Path("src/requirements-compute.txt")


def choose_python(clone: Path, tell: Tell) -> str:
    """Return a Python with the packages that compute at the commit: this one, or one that its `make setup` installs.

    Raises:
        InputError: they cannot be installed.
    """
    try:
        check_versions(clone / PINS)
        return sys.executable
    except InputError as error:
        tell("packages", f"{str(error).partition(': `')[0]}: `make setup` installs those (some minutes)")
    python = clone / ".venv" / "bin" / "python"
    try:
        run_command(("make", "setup", f"PYTHON={sys.executable}"), clone, make_environment())
    except (Failure, OSError) as failure:
        raise InputError(f"the packages of the commit could not be installed: make setup: {failure}") from None
    return str(python)


def rerun_pipeline(folder: Path, python: str, tell: Tell) -> dict[str, str]:
    """Run every stage, and pull only what no stage can make: what `dvc add` has added, and what has lost its source.

    Its MLflow run goes to the clone's own database.

    Returns:
        The stages that could not run, with the reason; their outputs were pulled instead.

    Raises:
        InputError: a stage fails that is not one of the first, or whose outputs cannot be pulled.
    """
    dvc, environment = (python, "-m", "dvc"), make_environment("MLFLOW_", python=python)
    if imports := list_imports(folder):
        try:
            run_command((*dvc, "pull", *imports), folder, environment)
            tell("pulled", ", ".join(imports))
        except Failure as failure:
            tell("not pulled", f"{', '.join(imports)}: {failure}")
    lock = (folder / "dvc.lock").read_bytes() if (folder / "dvc.lock").is_file() else b""
    stages, pulled = read_stages(lock), dict[str, str]()
    _remove_outputs(folder, lock)
    command = [*dvc, "repro", "--force", "--no-run-cache"]
    while True:
        running: list[str] = []

        def follow(stage: str, running: list[str] = running) -> None:
            running.append(stage)
            tell("running", stage)

        try:
            run_command((*command, *_choose_targets(stages, pulled)), folder, environment, follow)
            return pulled
        except Failure as failure:
            named = FAILED.search(str(failure))
            stage = named[1] if named else running[-1] if running else ""
            if stage in pulled or not _is_first(stages, stage):
                raise InputError(f"{stage or 'dvc repro'}: {failure}") from None
            pulled[stage] = str(failure)
        outputs = ", ".join(list_md5s(stages[stage], "outs"))
        try:
            run_command((*dvc, "pull", stage), folder, environment)
        except Failure as failure:
            told = f"{stage}: {pulled[stage]}; nor could {outputs} be pulled: {failure}"
            raise InputError(told) from None
        tell("pulled", f"{outputs}, as {stage} cannot run here: {pulled[stage]}")
        if pulled.keys() == stages.keys():
            return pulled


def explain_difference(folder: Path, tags: Mapping[str, str]) -> str:
    """Return why other bytes were to be expected, or nothing; tags: of the run that was to be made again."""
    from unroll.base.devices import choose_device, explain_not_portable

    reasons = []
    train: dict[str, Any] = {"threads": 1, "processes": 1, "device": "auto", "portable": "auto"}
    params = folder / "params.yaml"
    train |= read_yaml(params.read_bytes() if params.is_file() else b"").get("train") or {}
    if train["portable"] is False:
        reasons.append("train.portable is false")
    elif reason := explain_not_portable(train["threads"], choose_device(train["device"]), train["processes"]):
        reasons.append(f"here {reason}")
    if tags.get("portable", "").startswith("no, as "):
        reasons.append(f"{tags['portable'].removeprefix('no, as ')} where it was made")
    if tags.get("restored"):
        reasons.append("the run was made after the training, maybe elsewhere")
    return "; ".join(reasons)


def _choose_targets(stages: Mapping[str, Any], pulled: Mapping[str, str]) -> list[str]:
    """Return what to add to the command, so that it leaves out the stages whose outputs were pulled."""
    return ["--single-item", *(stage for stage in order_stages(stages) if stage not in pulled)] if pulled else []


def _is_first(stages: Mapping[str, Any], stage: str) -> bool:
    """Whether a stage needs nothing that another one makes."""
    made = {path for one in stages.values() for path in list_md5s(one, "outs")}
    return stage in stages and made.isdisjoint(list_md5s(stages[stage], "deps"))


def _remove_outputs(folder: Path, lock: bytes) -> None:
    """Remove the outputs that come with the commit, so that none can pass for one that was made."""
    for _, path in read_outputs(lock):
        file = folder / path
        if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
            file.unlink()
