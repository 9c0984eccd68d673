"""`make verify`: equal bytes pass, and of different ones the first output is named."""

import re
from pathlib import Path

import pytest

from builders import NOT_PORTABLE
from unroll.results.outputs import read_outputs
from unroll.tools.verify import CIRCUMSTANCES, describe_difference, reproduce
from workspaces import Workspace, set_params

LOCK = b"""schema: '2.0'
stages:
  train:
    cmd: x
    outs:
    - path: models/model.safetensors
      md5: 'aa'
  generate:
    cmd: y
    outs:
    - path: data/sequences
      md5: 'bb'
"""


def test_the_first_output_that_differs_is_named() -> None:
    one = read_outputs(LOCK)
    assert list(one) == [("generate", "data/sequences"), ("train", "models/model.safetensors")]
    other = read_outputs(LOCK.replace(b"'aa'", b"'cc'").replace(b"'bb'", b"'dd'"))
    assert describe_difference(one, other).startswith(
        "data/sequences of stage generate differs: md5 bb in one copy, dd"
    )
    assert describe_difference({}, one, "dvc.lock", "both copies") == (
        "data/sequences of stage generate differs: md5 missing in dvc.lock, bb in both copies"
    )
    assert "no output" in describe_difference(one, one)


@pytest.mark.exhaustive  # what is in Git was computed elsewhere: test_pipelines.py compares with that
def test_the_default_pipeline_comes_to_the_same_bytes_under_other_circumstances(
    pristine: Workspace, reproduced: Workspace, tmp_path: Path
) -> None:
    other = pristine.copy_to(tmp_path / "another name")
    assert not (other.path / ".dvc" / "cache").exists()
    set_params(other, "tracking", enabled=False)  # which affects no result
    reproduce(other.path, CIRCUMSTANCES["another-name"])
    assert (other.path / "dvc.lock").read_bytes() == (reproduced.path / "dvc.lock").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("changed", [True, pytest.param(False, marks=pytest.mark.exhaustive)])
def test_a_pipeline_comes_to_the_same_bytes_under_other_circumstances(
    changed: bool, pristine: Workspace, tmp_path: Path
) -> None:
    workspace = pristine.copy_to(tmp_path / "repository")
    set_params(Workspace(workspace.path / "pipelines/hello"), "tracking", enabled=False)
    if changed:  # what dvc.lock has of an output
        lock, output = workspace.path / "pipelines/hello/dvc.lock", r"(?<=path: metrics/test.json\n)(.*\n)(.*md5: )\w+"
        lock.write_text(re.sub(output, r"\g<1>\g<2>" + "f" * 32, lock.read_text()))
    told = workspace.run("python", "-m", "unroll.tools.verify", "pipelines/hello").stdout
    assert told.startswith("pipelines/hello: 9 outputs of 3 stages, the same bytes twice")
    if changed:
        others = f"; dvc.lock has others: metrics/test.json of stage evaluate differs: md5 {'f' * 32} in dvc.lock, "
        assert NOT_PORTABLE or others in told
    else:
        assert NOT_PORTABLE or told.rstrip().endswith(", and those of dvc.lock")


@pytest.mark.slow
def test_a_stage_that_depends_on_its_circumstances_is_found(pristine: Workspace, tmp_path: Path) -> None:
    workspace = pristine.copy_to(tmp_path / "repository")
    set_params(Workspace(workspace.path / "pipelines/hello"), "tracking", enabled=False)
    # The order of a set of words is another one with each seed of Python's hashes.
    workspace.change(
        "letters = sorted(set(data.input + data.target))",
        "letters = list(set(data.input + data.target))",
        "src/unroll/stages/hello/generate.py",
    )
    stages = workspace.path / "pipelines/hello/dvc.yaml"
    stages.write_text(stages.read_text().partition("  train:\n")[0])  # the first is enough
    result = workspace.run("python", "-m", "unroll.tools.verify", "pipelines/hello", check=False)
    assert result.returncode == 1
    assert "error: pipelines/hello: data/sequences of stage generate differs: md5" in result.stdout
