"""Results from Git: the commit of each branch and DVC experiment, with its parameters, metrics and hashes."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unroll.params.common import flatten_params
from unroll.results.history import EXPERIMENT_REFS, OTHER_REFS
from unroll.results.pipelines import choose_schema
from unroll.tracking.baseline import BASELINE_LINKS
from unroll.tracking.git import ask_git
from unroll.tracking.names import name_baseline, name_scores, name_training
from unroll.tracking.runs import LINKS


@dataclass(frozen=True)
class Record:
    """A branch or experiment: what its commit says about the pipeline in the current folder."""

    name: str
    kind: str  # "branch" or "experiment"
    params: dict[str, str]  # flat, as MLflow holds them
    metrics: dict[str, float]  # by their names in MLflow; empty if the commit has none
    baseline: dict[str, float]  # the same of the linear baseline
    md5s: dict[str, str]  # of outputs, by the tags that link runs to them; empty ones if the commit has none
    data_md5: str  # of data/raw
    committed_at: int  # seconds since 1970


def list_records() -> list[Record]:
    """Return a record for each branch and each DVC experiment of any commit, except those of other pipelines."""
    refs = ask_git("for-each-ref", "--format=%(refname)", "refs/heads", EXPERIMENT_REFS).splitlines()
    kept = [ref for ref in refs if not ref.startswith(OTHER_REFS) and not _is_elsewhere(ref)]
    return [read_record(ref) for ref in sorted(kept, key=lambda ref: (ref.startswith(EXPERIMENT_REFS), ref))]


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
        kind="experiment" if ref.startswith(EXPERIMENT_REFS) else "branch",
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


def _is_elsewhere(ref: str) -> bool:
    """Whether a DVC experiment was run in another folder: it changed parameters or results there, not here."""
    if not ref.startswith(EXPERIMENT_REFS):
        return False
    baseline, here = "".join(ref.split("/")[2:4]), ask_git("rev-parse", "--show-prefix").strip()
    files = ("params.yaml", "dvc.lock")
    anywhere = [f":(top,glob)**/{file}" for file in files]
    changed = ask_git("diff", "--name-only", baseline, ref, "--", *anywhere).splitlines()
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
