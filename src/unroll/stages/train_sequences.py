"""data/sequences/ → model.safetensors, config.json and checksums.json in models/, metrics/train.json."""

from pathlib import Path

import numpy as np
import torch

from unroll.base.devices import check_precision, choose_device, make_repeatable
from unroll.base.files import find_root, write_json
from unroll.base.process import run_stage
from unroll.evaluation.validation import fit_temperature
from unroll.models.files import SEQUENCE_PARTS, write_checksums
from unroll.models.predict import count_parameters
from unroll.sequences.arrays import NAMES, Sequences, load_sequences
from unroll.sequences.model import SequenceConfig, SequenceModel
from unroll.sequences.params import SequenceParams, read_sequence_params
from unroll.tracking.training import start_training_run
from unroll.training.loop import Options, train_model
from unroll.training.objectives import Classification, Regression
from unroll.training.progress import Training
from unroll.training.report import describe_training, find_symptoms, save_weights, summarize, write_history
from unroll.training.resume import FOLDER, Checkpoints, identify_training

SEQUENCES, MODELS, METRICS = Path("data/sequences"), Path("models"), Path("metrics")


def main() -> None:
    train_sequences(read_sequence_params())


def train_sequences(params: SequenceParams, keep_outputs: bool = False) -> Training:
    """Train, and write what a training leaves; return it too, with the outputs of every epoch if they are kept."""
    device = choose_device(params.train.device, params.train.portable)
    check_precision(params.train.precision, device)
    make_repeatable(params.train.threads, device, params.train.portable)
    torch.manual_seed(params.train.seed)
    splits = {name: load_sequences(SEQUENCES, name) for name in NAMES}
    train, val = splits["train"], splits["val"]
    config = configure(params, train)
    model = SequenceModel(config).to(device)
    is_classifier = train.targets.dtype == np.int64
    objective = Classification() if is_classifier else Regression()
    options = Options(carry_state=params.carry_state, keep_outputs=keep_outputs)
    checkpoints = Checkpoints(find_root() / FOLDER, identify_training(params, model, train, val))

    with start_training_run(params, splits) as run:
        training = train_model(model, train, val, params.train, objective, run.log_epoch, options, checkpoints)
        save_weights(training.weights, MODELS / "model.safetensors")
        scaled = is_classifier and config.pooling != "none"
        temperature = fit_temperature(training.best_outputs.double().numpy(), val.targets) if scaled else 1.0
        write_json(MODELS / "config.json", config.model_dump() | {"temperature": temperature})
        write_checksums(MODELS, SEQUENCE_PARTS)
        write_history(training, METRICS / "plots" / "history.csv")
        symptoms = find_symptoms(training, val.targets, params.train.patience, class_names=[])
        summary = summarize(training, count_parameters(model), symptoms)
        write_json(METRICS / "train.json", summary)
        run.finish(params, val, summary, training)
    checkpoints.remove()
    print(f"train: {config.cell} {describe_training(training, summary)}")
    return training


def configure(params: SequenceParams, train: Sequences) -> SequenceConfig:
    """Return the configuration of a model for these sequences."""
    is_classifier = train.targets.dtype == np.int64
    outputs = int(train.targets.max()) + 1 if is_classifier else train.targets.shape[-1]
    return SequenceConfig(**params.model.model_dump(), input_size=train.features.shape[-1], outputs=outputs)


if __name__ == "__main__":
    run_stage(main)
