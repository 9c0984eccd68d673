"""data/tokens/ and data/vectors.npy → model.safetensors and config.json in models/, metrics/train.json."""

import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from unroll.calibration import fit_temperature
from unroll.checkpoint import ModelConfig
from unroll.errors import run_stage
from unroll.files import read_json, replace_when_done, write_json
from unroll.model import SequenceClassifier, choose_device, count_parameters, make_repeatable
from unroll.params import read_params
from unroll.tokens import load_tokens
from unroll.tracking import start_training_run
from unroll.training import Epoch, train_model, weigh_classes
from unroll.vectors import load_vectors
from unroll.vocabulary import load_tokenizer

TOKENS, VECTORS = Path("data/tokens"), Path("data/vectors.npy")
MODELS, METRICS = Path("models"), Path("metrics")
HISTORY = METRICS / "plots" / "history.csv"
# Speed is no result: it differs from run to run, so it goes to MLflow and to no file that DVC hashes.
NOT_REPEATABLE = ["examples_per_second"]


def main() -> None:
    params = read_params()
    device = choose_device(params.train.device)
    make_repeatable(params.train.threads, device)
    torch.manual_seed(params.train.seed)
    splits = {name: load_tokens(TOKENS, name) for name in ("train", "val", "test")}
    train, val = splits["train"], splits["val"]
    config = ModelConfig(
        **params.model.model_dump(),
        vocabulary_size=load_tokenizer(MODELS / "tokenizer.json").get_vocab_size(),
        classes=len(read_json(MODELS / "labels.json")),
    )
    model = SequenceClassifier(config)
    vectors = load_vectors(VECTORS)
    if len(vectors):
        model.start_from(vectors)
    model.to(device)
    embedding_rate = params.train.embedding_rate if len(vectors) else 1.0
    class_weights = weigh_classes(train.labels, config.classes) if params.train.class_weights else None

    with start_training_run(params, splits) as run:
        started = time.perf_counter()
        training = train_model(model, train, val, params.train, class_weights, run.log_epoch, embedding_rate)
        seconds = time.perf_counter() - started
        with replace_when_done(MODELS / "model.safetensors") as temporary:
            save_file(training.weights, temporary)
        temperature = fit_temperature(training.val_logits.double().numpy(), val.labels)
        write_json(MODELS / "config.json", config.model_dump() | {"temperature": temperature})
        write_history(training.history)
        summary = summarize(training.history, training.best, count_parameters(model))
        write_json(METRICS / "train.json", summary)
        run.finish(params, val, summary, seconds)
    best = training.best
    print(
        f"train: {config.cell} of {count_parameters(model):,} parameters, {len(training.history)} epochs in "
        f"{seconds:.0f} s; best epoch {best.epoch}: val loss {best.val_loss:.4f}, macro-F1 {best.val_macro_f1:.4f}"
    )


def summarize(history: list[Epoch], best: Epoch, parameters: int) -> dict[str, int | float]:
    """Return what becomes metrics/train.json; metrics/plots/history.csv has the rest."""
    return {
        "best_epoch": best.epoch,
        "epochs": len(history),
        "parameters": parameters,
        "val_loss": best.val_loss,
        "val_macro_f1": best.val_macro_f1,
    }


def write_history(history: list[Epoch]) -> None:
    """Write the learning curves, one row for each epoch."""
    table = pd.DataFrame([asdict(epoch) for epoch in history]).drop(columns=NOT_REPEATABLE)
    with replace_when_done(HISTORY) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    run_stage(main)
