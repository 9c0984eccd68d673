"""The baseline's run in MLflow: one run, however many networks and experiments share it.

It is linked to dvc.lock as the networks' runs are, by the MD5s of metrics/baseline.json and baseline_per_class.json.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unroll.base.files import compute_hash, read_json
from unroll.models.files import CHECKSUMS, LINEAR_PARTS, WEIGHTS
from unroll.params.common import flatten_params
from unroll.params.texts import TextParams
from unroll.text.tokens import Tokens
from unroll.tracking.changes import log_changes
from unroll.tracking.claims import keep_first
from unroll.tracking.names import name_baseline
from unroll.tracking.origin import DIRTY, describe_origin
from unroll.tracking.registry import Standing, identify_rows, log_model, register_model
from unroll.tracking.runs import (
    CHECKSUMS_MD5,
    DESCRIPTION,
    MODEL_MD5,
    RESTORED,
    create_run,
    end_run,
    log_metrics,
    make_metrics,
)
from unroll.tracking.store import Store, require_store

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

METRICS = Path("metrics")
# The tags that link a run to outputs in dvc.lock. Two tags, as classes with other names may have the same scores.
BASELINE_MD5, CLASSES_MD5 = "baseline_md5", "baseline_per_class_md5"
BASELINE_LINKS = {BASELINE_MD5: "metrics/baseline.json", CLASSES_MD5: "metrics/baseline_per_class.json"}
FOLDER = Path("models/linear")
MODEL, LINEAR = "model", "linear"  # the tag that distinguishes its run from those of networks
STAGES = ("download", "preprocess", "split")  # the stages before it
# What it and the stages before it depend on.
PARAMS = ("data.", "preprocess.", "split.", "tokenize.max_tokens", "evaluate.calibration_bins")
IDENTITY = {MODEL_MD5: WEIGHTS, CHECKSUMS_MD5: CHECKSUMS}  # the tags of its version, as networks have them
CHOSEN = ("c", "temperature")  # by validation


def log_baseline(store: Store, params: TextParams, val: Tokens, seconds: float | None = None) -> None:
    """Log metrics/baseline.json and baseline_per_class.json as a run, unless there is one already.

    Its model, models/linear/, is registered beside the networks. val: the validation rows that chose it; seconds: how
    long fitting took; without it, the run is tagged as restored.

    Raises:
        InputError: the store cannot be used.
    """
    md5s = {tag: compute_hash(Path(file), "md5") for tag, file in BASELINE_LINKS.items()}
    own = keep_params(flatten_params(params))
    with require_store(store.uri):
        search = partial(_search_runs, store, own, md5s)
        if not search():
            _make_run(store, params, val, md5s, seconds)
        keep_first(store, search)  # experiments that run at the same time share one baseline


def keep_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the flat parameters that a baseline depends on, as MLflow holds them."""
    return {name: str(value) for name, value in params.items() if name.startswith(PARAMS)}


def find_baseline(
    runs: "Iterable[MlflowRun]", params: Mapping[str, Any], md5s: Mapping[str, str]
) -> "MlflowRun | None":
    """Return the baseline's run with these MD5s (by tag) and parameters."""
    return next(_find_baselines(runs, params, md5s), None)


def is_baseline(run: "MlflowRun") -> bool:
    return run.data.tags.get(MODEL) == LINEAR


def _search_runs(store: Store, params: Mapping[str, Any], md5s: Mapping[str, str]) -> "list[MlflowRun]":
    runs = store.client.search_runs([store.experiment_id], f"tags.{BASELINE_MD5} = '{md5s[BASELINE_MD5]}'")
    return list(_find_baselines(runs, params, md5s))


def _find_baselines(
    runs: "Iterable[MlflowRun]", params: Mapping[str, Any], md5s: Mapping[str, str]
) -> "Iterator[MlflowRun]":
    own, (scores, classes) = keep_params(params), (md5s[tag] for tag in BASELINE_LINKS)
    same = (
        run
        for run in runs
        if scores and (run.data.tags.get(BASELINE_MD5), run.data.tags.get(CLASSES_MD5, classes)) == (scores, classes)
    )
    return (run for run in same if keep_params(run.data.params) == own)


def _make_run(store: Store, params: TextParams, val: Tokens, md5s: dict[str, str], seconds: float | None) -> None:
    own = keep_params(flatten_params(params))
    scores, per_class = (read_json(METRICS / f"{name}.json") for name in ("baseline", "baseline_per_class"))
    text = (
        f"Linear baseline on {own['data.dataset']}: macro-F1 **{scores['macro_f1']:.4f}** on the test split, "
        f"{scores['val_macro_f1']:.4f} on the validation split"
    )
    tags = describe_origin(STAGES) | {MODEL: LINEAR, DESCRIPTION: text}
    chosen = {f"baseline.{name}": scores[name] for name in CHOSEN}
    run_id = create_run(store, f"baseline-{md5s[BASELINE_MD5][:7]}", tags, own | chosen)
    if tags.get(DIRTY) == "true":
        log_changes(store, run_id)
    with end_run(store, run_id):
        costs = {} if seconds is None else {"seconds": round(seconds, 2)}
        log_metrics(store, run_id, make_metrics(name_baseline(scores, per_class) | costs))
        for name in ("baseline.json", "baseline_per_class.json"):
            store.client.log_artifact(run_id, str(METRICS / name), "metrics")
        if seconds is None:
            store.client.set_tag(run_id, RESTORED, "true")
        model_id = log_model(store, run_id, FOLDER, LINEAR_PARTS)
        standing = Standing(scores["val_macro_f1"], identify_rows(val, FOLDER))
        identity = {tag: compute_hash(FOLDER / name, "md5") for tag, name in IDENTITY.items()} | {"cell": LINEAR}
        register_model(store, run_id, model_id, params.registered_model, standing, identity)
    for tag in (CLASSES_MD5, BASELINE_MD5):  # last, so that no incomplete run is found
        store.client.set_tag(run_id, tag, md5s[tag])
