"""data/tokens/, data/vectors.npy → model.safetensors, config.json, checksums.json in models/, metrics/train.json."""

import math
from pathlib import Path

import torch

from unroll.base.devices import check_precision, choose_device, make_repeatable
from unroll.base.errors import InputError
from unroll.base.files import find_root, read_json, write_json
from unroll.base.process import run_stage
from unroll.evaluation.validation import fit_temperature
from unroll.models.classifier import SequenceClassifier, drop_words
from unroll.models.files import TEXT_PARTS, ModelConfig, load_labels, write_checksums
from unroll.models.layers import join_embedding, limit_embedding
from unroll.models.predict import count_parameters
from unroll.params.texts import ArchitectureParams, TextParams, read_text_params
from unroll.text.coverage import describe_unknown
from unroll.text.tokens import load_tokens
from unroll.text.vocabulary import load_tokenizer
from unroll.tracking.training import start_training_run
from unroll.training.loop import Options, train_model
from unroll.training.objectives import Classification, weigh_classes
from unroll.training.report import describe_training, find_symptoms, save_weights, summarize, write_history
from unroll.training.resume import FOLDER, Checkpoints, identify_training
from unroll.vectors.arrays import load_vectors

TOKENS, VECTORS = Path("data/tokens"), Path("data/vectors.npy")
MODELS, METRICS = Path("models"), Path("metrics")


def main() -> None:
    params = read_text_params()
    device = choose_device(params.train.device, params.train.portable)
    check_precision(params.train.precision, device)
    make_repeatable(params.train.threads, device, params.train.portable)
    torch.manual_seed(params.train.seed)
    splits = {name: load_tokens(TOKENS, name) for name in ("train", "val", "test")}
    train, val = splits["train"], splits["val"]
    class_names = load_labels(MODELS / "labels.json")
    check_head(params.model.head, len(class_names))
    config = ModelConfig(
        **params.model.model_dump(include=set(ArchitectureParams.model_fields)),
        vocabulary_size=load_tokenizer(MODELS / "tokenizer.json").get_vocab_size(),
        classes=len(class_names),
    )
    model = SequenceClassifier(config)
    vectors = load_vectors(VECTORS)
    if len(vectors):
        model.start_from(vectors)
    model.embedding = limit_embedding(model.embedding, train.ids)
    model.to(device)
    objective = Classification(weigh_classes(train.labels, config.classes) if params.train.class_weights else None)
    options = choose_options(params, pretrained=len(vectors) > 0)
    checkpoints = Checkpoints(find_root() / FOLDER, identify_training(params, model, train, val))

    with start_training_run(params, splits) as run:
        training = train_model(model, train, val, params.train, objective, run.log_epoch, options, checkpoints)
        save_weights(join_embedding(training.weights), MODELS / "model.safetensors")
        temperature = fit_temperature(training.best_outputs.double().numpy(), val.labels)
        write_json(MODELS / "config.json", config.model_dump() | {"temperature": temperature})
        write_checksums(MODELS, TEXT_PARTS)
        write_history(training, METRICS / "plots" / "history.csv")
        coverage = read_json(METRICS / "vectors.json")["coverage"]
        symptoms = describe_unknown(validation=read_json(METRICS / "tokens.json")["val"])
        symptoms += find_symptoms(training, val.targets, params.train.patience, class_names)
        summary = summarize(training, count_parameters(model), symptoms) | {"vector_coverage": coverage}
        write_json(METRICS / "train.json", summary)
        run.finish(params, val, summary, training)
    checkpoints.remove()
    print(f"train: {config.cell} {describe_training(training, summary)}")


def check_head(head: str, classes: int) -> None:
    """Raise InputError for a head that cannot tell so many classes apart."""
    if head == "logit" and classes != 2:
        raise InputError(
            f"params.yaml: model.head = 'logit' while the data has {classes} classes: one logit tells two apart, so "
            "expected 'softmax'"
        )


def choose_options(params: TextParams, pretrained: bool) -> Options:
    """Return how the embedding is trained, and how words are dropped from training texts."""
    return Options(
        augment=lambda ids: drop_words(ids, params.train.word_dropout),
        embedding_rate=params.train.embedding_rate if pretrained else 1.0,
        frozen_epochs=math.inf if params.model.freeze_embeddings is True else params.model.freeze_embeddings,
    )


if __name__ == "__main__":
    run_stage(main)
