"""Results from Git: the commit of each branch and DVC experiment, with its parameters, metrics and hashes."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unroll.params.common import flatten_params
from unroll.results.history import EXPERIMENT_REFS, OTHER_REFS, choose_refs, read_commit
from unroll.results.pipelines import choose_schema
from unroll.tracking.baseline import BASELINE_LINKS
from unroll.tracking.git import ask_git
from unroll.tracking.names import name_baseline, name_scores, name_training
from unroll.tracking.runs import LINKS

CODE = (":(top)src", ":(top,glob)**/dvc.yaml")


@dataclass(frozen=True)
class Record:
    """A branch, experiment or commit: what it says about the pipeline in the current folder."""

    name: str
    kind: str  # "branch", "experiment" or "commit"
    params: dict[str, str]  # flat, as MLflow holds them
    metrics: dict[str, float]  # by their names in MLflow; empty if the commit has none
    baseline: dict[str, float]  # the same of the linear baseline
    md5s: dict[str, str]  # of outputs, by the tags that link runs to them; empty ones if the commit has none
    data_md5: str  # of data/raw
    committed_at: int  # seconds since 1970


def list_records() -> list[Record]:
    """Return a record for each branch and each DVC experiment of any commit, except those of other pipelines."""
    refs = ask_git("for-each-ref", "--format=%(refname)", "refs/heads", EXPERIMENT_REFS).splitlines()
    kept = [ref for ref in refs if not ref.startswith(OTHER_REFS)]
    here = [ref for ref in kept if not ref.startswith(EXPERIMENT_REFS) or not _is_elsewhere(_find_start(ref), ref)]
    return [read_record(ref) for ref in sorted(here, key=lambda ref: (ref.startswith(EXPERIMENT_REFS), ref))]


def list_records_of(revision: str) -> list[Record]:
    """Return a record for a commit, and for each experiment that started from it and has its code.

    An experiment is found wherever its commit is: under DVC's refs, or merged into a branch.

    Raises:
        InputError: there is no such commit.
    """
    start = read_commit(revision).id
    commits = [line.split() for line in ask_git("rev-list", "--parents", *choose_refs(), f"^{start}").splitlines()]
    children = [commit for commit, *parents in commits if parents == [start]]
    same = [child for child in children if not ask_git("diff", "--name-only", start, child, "--", *CODE)]
    return [read_record(start), *(read_record(child) for child in same if not _is_elsewhere(start, child))]


def read_record(ref: str) -> Record:
    """Read parameters, metrics and hashes from the commit that `ref` names."""
    lock = _read_yaml(ref, "dvc.lock").get("stages", {})
    outputs = {out["path"]: out.get("md5", "") for stage in lock.values() for out in stage.get("outs", [])}
    scores, per_class, summary = (_read_json(ref, f"metrics/{name}.json") for name in ("test", "per_class", "train"))
    linear, linear_per_class = (_read_json(ref, f"metrics/{name}.json") for name in ("baseline", "baseline_per_class"))
    is_whole = bool(scores) and "best_epoch" in summary and (not per_class or "classes" in per_class)
    has_baseline = "parameters" in linear and "classes" in linear_per_class
    return Record(
        name=ref.split("/", 4)[4] if ref.startswith(EXPERIMENT_REFS) else ref.removeprefix("refs/heads/"),
        kind=_name_kind(ref),
        params=flatten_old_params(_read_yaml(ref, "params.yaml")),
        metrics=name_scores(scores, per_class) | name_training(summary) if is_whole else {},
        baseline=name_baseline(linear, linear_per_class) if has_baseline else {},
        md5s={tag: outputs.get(path, "") for tag, path in (LINKS | BASELINE_LINKS).items()},
        data_md5=outputs.get("data/raw", ""),
        committed_at=int(ask_git("log", "-1", "--format=%ct", ref)),
    )


def flatten_old_params(params: dict[str, Any]) -> dict[str, str]:
    """Return `{"model.cell": "gru", …}`, as MLflow holds them, unchecked: a commit may be old."""
    try:
        return {
            name: str(value) for name, value in flatten_params(choose_schema(params).model_validate(params)).items()
        }
    except ValidationError:
        pass
    return {
        f"{section}.{name}": str(value)
        for section, values in params.items()
        if isinstance(values, dict)
        for name, value in values.items()
    }


def _name_kind(ref: str) -> str:
    if ref.startswith(EXPERIMENT_REFS):
        return "experiment"
    return "branch" if ref.startswith("refs/") else "commit"


def _find_start(ref: str) -> str:
    return "".join(ref.split("/")[2:4])


def _is_elsewhere(start: str, experiment: str) -> bool:
    """Whether an experiment was run in another folder: it changed parameters or results there, not here."""
    here = ask_git("rev-parse", "--show-prefix").strip()
    files = ("params.yaml", "dvc.lock")
    anywhere = [f":(top,glob)**/{file}" for file in files]
    changed = ask_git("diff", "--name-only", start, experiment, "--", *anywhere).splitlines()
    return bool(changed) and not {f"{here}{file}" for file in files} & set(changed)


def _read_yaml(ref: str, path: str) -> dict[str, Any]:
    try:
        return YAML(typ="safe", pure=True).load(ask_git("show", f"{ref}:./{path}")) or {}
    except YAMLError:
        return {}


def _read_json(ref: str, path: str) -> dict[str, Any]:
    try:
        return json.loads(ask_git("show", f"{ref}:./{path}") or "{}")
    except ValueError:
        return {}
