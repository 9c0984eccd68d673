"""The recipe that the stages train and train_sequences share: train, track, write the outputs.

It is not a stage itself. A stage puts what is special about texts or sequences into a `Job`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unroll.base.devices import check_precision, choose_device, explain_not_portable, make_repeatable
from unroll.base.files import find_root, write_json
from unroll.evaluation.validation import fit_temperature
from unroll.models.batches import Examples
from unroll.models.files import write_checksums
from unroll.models.predict import count_parameters
from unroll.params.common import PipelineParams, Section, TrainParams
from unroll.training.loop import Options, Task, train_model
from unroll.training.objectives import Objective
from unroll.training.progress import Epoch, Training
from unroll.training.report import describe_training, find_symptoms, save_weights, summarize, write_history
from unroll.training.resume import TRAININGS, Checkpoints, identify_training

if TYPE_CHECKING:
    from unroll.tracking.training import TrainingRun

MODELS, METRICS = Path("models"), Path("metrics")


@dataclass(frozen=True)
class Job:
    """What differs from one kind of model to another.

    config: models/config.json without the temperature; parts: the files that models/checksums.json lists; class_names:
    if the classes have names; export: turns trained weights into those that are written; symptoms: warnings from before
    the training; facts: further entries of metrics/train.json.
    """

    config: Section
    objective: Objective
    options: Options
    parts: tuple[str, ...]
    class_names: list[str] = field(default_factory=list)
    export: Callable[[dict[str, Tensor]], dict[str, Tensor]] = field(default=lambda weights: weights)
    symptoms: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class Untracked:
    """Stands in for an MLflow run if tracking is off."""

    def log_epoch(self, epoch: Epoch) -> None:
        pass

    def finish(self, val: Examples, summary: dict[str, Any], training: Training) -> None:
        pass


def prepare(params: TrainParams) -> torch.device:
    """Choose the device, make computations repeatable, seed PyTorch.

    Raises:
        InputError: the device or the precision is not available.
    """
    device = choose_device(params.device, params.portable)
    check_precision(params.precision, device)
    if params.processes > 1 or "WORLD_SIZE" in os.environ:
        from unroll.training.processes import enter  # imported here: a training in one process does without it

        enter(params, device)
    make_repeatable(params.threads, device, params.portable)
    torch.manual_seed(params.seed)
    if params.portable == "auto" and (reason := explain_not_portable(params.threads, device, params.processes)):
        print(f"train: other processors may give other last digits, as {reason} (docs/portability.md)")
    return device


def train_and_write(params: PipelineParams, splits: Mapping[str, Examples], model: nn.Module, job: Job) -> Training:
    """Train a model and write its files in models/ and metrics/; splits: train, val and test."""
    task = Task(splits["train"], splits["val"], params.train, job.objective, job.options)
    checkpoints = Checkpoints(find_root() / TRAININGS, identify_training(params, model, task.train, task.val))
    train: Callable[..., Training] = train_model
    if params.train.processes > 1:
        from unroll.training.processes import take_part, train_together

        take_part(model, task, checkpoints.key)
        train = train_together
    with track(params, splits) as run:
        training = train(model, task, run.log_epoch, checkpoints)
        save_weights(job.export(training.weights), MODELS / "model.safetensors")
        write_json(
            MODELS / "config.json", job.config.model_dump() | {"temperature": choose_temperature(training, task)}
        )
        write_checksums(MODELS, job.parts)
        write_history(training, METRICS / "plots" / "history.csv")
        symptoms = find_symptoms(training, task.val.targets, params.train.patience, job.class_names)
        summary = summarize(training, count_parameters(model), job.symptoms + symptoms) | job.facts
        write_json(METRICS / "train.json", summary)
        run.finish(task.val, summary, training)
    checkpoints.remove()
    print(f"train: {params.model.cell} {describe_training(training, summary)}")
    return training


@contextmanager
def track(params: PipelineParams, splits: Mapping[str, Examples]) -> "Iterator[TrainingRun | Untracked]":
    """Keep an MLflow run while the block trains; tracking is imported only if it is on.

    So no training depends on it: it only reports.
    """
    if not params.tracking.enabled:
        yield Untracked()
        return
    from unroll.tracking.training import start_training_run

    with start_training_run(params, splits) as run:
        yield run


def choose_temperature(training: Training, task: Task) -> float:
    """Return the temperature that validation chooses, for classes of whole sequences; otherwise 1."""
    if task.val.targets.dtype != np.int64 or task.val.targets.ndim != 1:
        return 1.0
    return fit_temperature(training.best_outputs.double().numpy(), task.val.targets)
