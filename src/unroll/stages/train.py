"""data/tokens/, data/vectors.npy → model.safetensors, config.json, checksums.json in models/, metrics/train.json."""

import math
from pathlib import Path

from unroll.base.errors import InputError
from unroll.base.files import load_array, read_json
from unroll.base.process import run_stage
from unroll.models.batches import choose_batch_size
from unroll.models.classifier import TextClassifier, drop_words
from unroll.models.files import TEXT_PARTS, ModelConfig, load_labels
from unroll.models.layers import join_embedding, limit_embedding
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import ArchitectureParams, TextParams, read_text_params
from unroll.stages.recipe import Job, prepare, train_and_write
from unroll.text.coverage import describe_unknown
from unroll.text.tokens import load_tokens
from unroll.text.vocabulary import load_tokenizer
from unroll.training.loop import Options
from unroll.training.objectives import Classification, weigh_classes

TOKENS, VECTORS = Path("data/tokens"), Path("data/vectors.npy")
MODELS, METRICS = Path("models"), Path("metrics")
NGRAM_WEIGHTS = 4_000_000  # at most: each step goes over all of them


def main() -> None:
    params = read_text_params()
    device = prepare(params.train)
    splits = {name: load_tokens(TOKENS, name) for name in SPLIT_NAMES}
    train = splits["train"]
    class_names = load_labels(MODELS / "labels.json")
    check_head(params.model.head, len(class_names))
    config = configure(params, load_tokenizer(MODELS / "tokenizer.json").get_vocab_size(), len(class_names))
    model = TextClassifier(config)
    vectors = load_array(VECTORS, "vectors")
    if len(vectors):
        model.start_from(vectors)
    if model.ngrams is not None:
        model.ngrams.weigh(train)
    model.set_submodule("embedding", limit_embedding(model.embedding, train.ids))
    weights = weigh_classes(train.labels, config.classes) if params.train.class_weights else None
    job = Job(
        config=config,
        objective=Classification(weights),
        options=choose_options(params, len(train), pretrained=len(vectors) > 0),
        parts=TEXT_PARTS,
        class_names=class_names,
        export=join_embedding,
        symptoms=describe_unknown(validation=read_json(METRICS / "tokens.json")["val"]),
        facts={
            "batch_size": choose_batch_size(params.train.batch_size, len(train)),
            "vector_coverage": read_json(METRICS / "vectors.json")["coverage"],
        },
    )
    train_and_write(params, splits, model.to(device), job)


def check_head(head: str, classes: int) -> None:
    """Raise InputError for a head that does not support so many classes."""
    if head == "logit" and classes != 2:
        raise InputError(
            f"params.yaml: model.head = 'logit' while the data has {classes} classes: one logit tells two apart, so "
            "expected 'softmax'"
        )


def configure(params: TextParams, vocabulary_size: int, classes: int) -> ModelConfig:
    """Return the configuration of the network for so many tokens and classes; without n-grams if these are too many."""
    values = params.model.model_dump(include=set(ArchitectureParams.model_fields))
    if values["ngrams"] * classes > NGRAM_WEIGHTS:
        most = NGRAM_WEIGHTS // classes
        print(f"train: no n-grams, as {classes} classes leave room for model.ngrams = {most:,} at most")
        values["ngrams"] = 0
    return ModelConfig(**values, vocabulary_size=vocabulary_size, classes=classes)


def choose_options(params: TextParams, rows: int, pretrained: bool) -> Options:
    """Return how to train embedding and n-grams, and how to drop words from training texts.

    N-grams of few texts have to be learned faster than the recurrent layers, those of many slower: else they learn
    the training texts by heart before the recurrent layers have learned anything.
    """
    return Options(
        augment=lambda ids: drop_words(ids, params.train.word_dropout),
        embedding_rate=params.train.embedding_rate if pretrained else 1.0,
        ngram_rate=params.train.ngram_rate / rows,
        frozen_epochs=math.inf if params.model.freeze_embeddings is True else params.model.freeze_embeddings,
    )


if __name__ == "__main__":
    run_stage(main)
