"""data/sequences/ → model.safetensors, config.json and checksums.json in models/, metrics/train.json."""

from pathlib import Path

import numpy as np

from unroll.base.process import run_stage
from unroll.models.files import SEQUENCE_PARTS
from unroll.params.common import SPLIT_NAMES
from unroll.sequences.arrays import Sequences, load_sequences
from unroll.sequences.model import SequenceConfig, SequenceModel
from unroll.sequences.params import SequenceParams, read_sequence_params
from unroll.stages.recipe import Job, prepare, train_and_write
from unroll.training.loop import Options
from unroll.training.objectives import Classification, Regression
from unroll.training.progress import Training

SEQUENCES = Path("data/sequences")


def main() -> None:
    train_sequences(read_sequence_params(SequenceParams))


def train_sequences(params: SequenceParams, keep_outputs: bool = False) -> Training:
    """Train and write the outputs; return the training, with the outputs of every epoch if they are kept."""
    device = prepare(params.train)
    splits = {name: load_sequences(SEQUENCES, name) for name in SPLIT_NAMES}
    config = configure(params, splits["train"])
    job = Job(
        config=config,
        objective=Classification() if is_classification(splits["train"]) else Regression(),
        options=Options(carry_state=params.carry_state, keep_outputs=keep_outputs),
        parts=SEQUENCE_PARTS,
    )
    return train_and_write(params, splits, SequenceModel(config).to(device), job)


def configure(params: SequenceParams, train: Sequences) -> SequenceConfig:
    """Return the configuration of a model for these sequences."""
    outputs = int(train.targets.max()) + 1 if is_classification(train) else train.targets.shape[-1]
    return SequenceConfig(**params.model.model_dump(), input_size=train.features.shape[-1], outputs=outputs)


def is_classification(examples: Sequences) -> bool:
    """Whether targets are class numbers, not values."""
    return examples.targets.dtype == np.int64


if __name__ == "__main__":
    run_stage(main)
