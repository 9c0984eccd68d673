"""What MLflow knows of a figure: the run of its chain, and runs whose metrics hold it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unroll.results.numbers import Number
from unroll.results.overview import find_run
from unroll.results.records import Record, flatten_old_params
from unroll.results.trace import Chain
from unroll.tracking.baseline import BASELINE_LINKS, BASELINE_MD5, find_baseline
from unroll.tracking.origin import EXPERIMENTS
from unroll.tracking.runs import LINKS, MODEL_MD5, RESTORED

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

# What a run's tags tell, in the order in which it is printed.
TOLD = ("machine", "threads", "device", "portable", "version.python")


@dataclass(frozen=True)
class Traced:
    """A run, as far as it says where a figure comes from. What it does not know is empty."""

    run_id: str
    name: str
    status: str
    model_md5: str
    baseline_md5: str  # of its scores, if it is a baseline's
    commit: str  # that was there when it ran; an experiment's results are committed after it
    uncommitted: str  # files that differed from it
    experiments: str
    is_restored: bool  # made after the fact, perhaps on another machine than the training
    machine: dict[str, str]  # TOLD
    figures: dict[str, float]  # metrics that the number may be

    @property
    def output_md5(self) -> str:
        """Of what it has come to, as dvc.lock has it."""
        return self.model_md5 or self.baseline_md5


def describe_run(run: "MlflowRun", number: Number | None = None) -> Traced:
    """Return what the run tells; number: its figures are those metrics that fit it."""
    tags = run.data.tags
    return Traced(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status.lower(),
        model_md5=tags.get(MODEL_MD5, ""),
        baseline_md5=tags.get(BASELINE_MD5, ""),
        commit=tags.get("mlflow.source.git.commit", ""),
        uncommitted=tags.get("git.changed", ""),
        experiments=tags.get(EXPERIMENTS, ""),
        is_restored=RESTORED in tags,
        machine={name.removeprefix("version."): tags[name] for name in TOLD if name in tags},
        figures={name: value for name, value in run.data.metrics.items() if number and number.fits(value)},
    )


def find_run_of_chain(chain: Chain, runs: "list[MlflowRun]") -> "MlflowRun | None":
    """Return the run that the chain's dvc.lock leads to; of a baseline's figure, the baseline's."""
    nested: dict[str, dict[str, object]] = {}
    for name, value in chain.params.items():
        section, _, key = name.partition(".")
        nested.setdefault(section, {})[key] = value
    params = flatten_old_params(nested)
    md5s = {tag: chain.outputs.get(path, "") for tag, path in (LINKS | BASELINE_LINKS).items()}
    if chain.place.file in BASELINE_LINKS.values():
        return find_baseline(runs, params, md5s)
    name = next((ref.name for ref in chain.place.tips if ref.ref != "HEAD"), "")
    return find_run(Record(name, "", params, {}, {}, md5s, "", chain.place.commit.committed_at), runs)
