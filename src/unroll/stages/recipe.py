"""The recipe that the stages train and train_sequences share: train, track, write what a training leaves.

It is no stage of its own. What is peculiar to texts or to sequences, a stage puts into a `Job`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unroll.base.devices import check_precision, choose_device, make_repeatable
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
from unroll.training.resume import FOLDER, Checkpoints, identify_training

if TYPE_CHECKING:
    from unroll.tracking.training import TrainingRun

MODELS, METRICS = Path("models"), Path("metrics")


@dataclass(frozen=True)
class Job:
    """What differs from one kind of model to another.

    config: what becomes models/config.json, but for the temperature; parts: the files of models/ that
    models/checksums.json lists; class_names: if the classes have names; export: from the weights as they are trained to
    those that are written; symptoms: what looked wrong before; facts: what metrics/train.json has besides.
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
    """What stands in the place of an MLflow run where tracking is off."""

    def log_epoch(self, epoch: Epoch) -> None:
        pass

    def finish(self, val: Examples, summary: dict[str, Any], training: Training) -> None:
        pass


def prepare(params: TrainParams) -> torch.device:
    """Choose the device, let computing repeat, seed PyTorch.

    Raises:
        InputError: the device or the precision cannot be had.
    """
    device = choose_device(params.device, params.portable)
    check_precision(params.precision, device)
    make_repeatable(params.threads, device, params.portable)
    torch.manual_seed(params.seed)
    return device


def train_and_write(params: PipelineParams, splits: Mapping[str, Examples], model: nn.Module, job: Job) -> Training:
    """Train a model and write what a training leaves in models/ and metrics/; splits: train, val and test."""
    task = Task(splits["train"], splits["val"], params.train, job.objective, job.options)
    checkpoints = Checkpoints(find_root() / FOLDER, identify_training(params, model, task.train, task.val))
    with track(params, splits) as run:
        training = train_model(model, task, run.log_epoch, checkpoints)
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
    """Keep an MLflow run while the block trains; tracking is imported only where it is on.

    So it is no dependency of a training: it tells of one and changes nothing in it.
    """
    if not params.tracking.enabled:
        yield Untracked()
        return
    from unroll.tracking.training import start_training_run

    with start_training_run(params, splits) as run:
        yield run


def choose_temperature(training: Training, task: Task) -> float:
    """Return the temperature that validation chooses for the classes of whole sequences; 1 for all else."""
    if task.val.targets.dtype != np.int64 or task.val.targets.ndim != 1:
        return 1.0
    return fit_temperature(training.best_outputs.double().numpy(), task.val.targets)
