"""The parameters of the pipelines that classify texts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from unroll.params.addresses import Address, LocalPath, WebAddress
from unroll.params.common import (
    Count,
    Dropout,
    EncoderParams,
    OptionalText,
    PipelineParams,
    Section,
    Seed,
    Sha256,
    Share,
    Size,
    SourceParams,
    TrackingParams,
    TrainParams,
    check_params,
    read_yaml,
)
from unroll.params.encodings import Encoding

SAMPLE = "data/sample"  # data.file, if there is none: DVC needs a dependency that is there


class DataParams(SourceParams):
    dataset: Literal["sample", "ag_news", "imdb", "csv"]
    text: Literal["title", "description", "title+description"]
    file: LocalPath
    url: WebAddress
    sha256: Sha256
    test_file: LocalPath
    test_url: WebAddress
    test_sha256: Sha256
    pattern: OptionalText
    encoding: Encoding
    text_column: Annotated[str, Field(min_length=1)]
    label_column: Annotated[str, Field(min_length=1)]
    context_column: OptionalText

    @property
    def location(self) -> str | None:
        """Where the data are, if not where the data set has them: an address, or a path from the pipeline's folder."""
        return self.url or (self.file if self.file != SAMPLE else None)

    @property
    def test_location(self) -> str | None:
        return self.test_url or (self.test_file if self.test_file != SAMPLE else None)

    @model_validator(mode="after")
    def _check_sources(self) -> "DataParams":
        if self.dataset == "csv" and not self.location:
            raise ValueError(
                f"data.dataset = 'csv' while data.file = {SAMPLE!r} and data.url = '': expected the path or the "
                "address of your file there"
            )
        sources = (("", self.file, self.url, self.sha256), ("test_", self.test_file, self.test_url, self.test_sha256))
        for name, file, url, sha256 in sources:
            if url and file != SAMPLE:
                raise ValueError(f"data.{name}file and data.{name}url are both set: expected one of them")
            if sha256 and not url and file == SAMPLE:
                raise ValueError(
                    f"data.{name}sha256 is set while data.{name}file and data.{name}url are not: expected one of them"
                )
        test = "data.test_url" if self.test_url else "data.test_file"
        if self.test_location and not self.location:
            raise ValueError(f"{test} is set while data.file and data.url are not: expected one of them")
        if self.pattern and not self.location:
            raise ValueError("data.pattern is set while data.file and data.url are not: expected a folder there")
        if self.test_location and self.dataset == "imdb":
            raise ValueError(f"{test} = {self.test_location!r}: expected none, as imdb's archive has the test rows")
        return self


class PreprocessParams(Section):
    html: Literal["auto", "feed", "decode", "keep"]
    lowercase: bool
    brackets: Literal["keep", "drop"]
    numbers: Literal["keep", "mask"]
    punctuation: Literal["keep", "drop"]
    stop_words: Literal["keep", "drop"]
    stemming: Literal["none", "porter"]


class SplitParams(Section):
    method: Literal["random", "hash"]
    train: Share
    val: Share
    test: Share
    seed: Seed
    context_words: Annotated[int, Field(ge=0, le=1_000_000)]

    @model_validator(mode="after")
    def _check_sum(self) -> "SplitParams":
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"split.train + split.val + split.test = {total:g}: expected 1")
        return self


class TokenizeParams(Section):
    level: Literal["word", "char", "bpe"]
    vocabulary_size: Annotated[int, Field(ge=3, le=10_000_000)]
    min_count: Count
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)]


class PretrainParams(Section):
    method: Literal["none", "skipgram"]
    window: Annotated[int, Field(ge=1, le=1000)]
    epochs: Count
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    least_words: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=1, lt=2**32)]


class ArchitectureParams(EncoderParams):
    embedding_size: Size
    embedding_dropout: Dropout
    pooling: Literal["last", "max", "mean", "attention"]
    head: Literal["softmax", "logit"]
    ngrams: Annotated[int, Field(ge=0, le=2**24)]


class ModelParams(ArchitectureParams):
    embeddings: Address
    embeddings_sha256: Sha256
    freeze_embeddings: bool | Count

    @model_validator(mode="after")
    def _check_source(self) -> "ModelParams":
        if self.embeddings_sha256 and not self.embeddings:
            raise ValueError("model.embeddings_sha256 is set while model.embeddings is empty: expected both or neither")
        return self


class TextTrainParams(TrainParams):
    embedding_rate: Annotated[float, Field(ge=0, le=1)]
    ngram_rate: Annotated[float, Field(gt=0, le=10_000)]
    class_weights: bool
    word_dropout: Dropout


class EvaluateParams(Section):
    calibration_bins: Annotated[int, Field(ge=1, le=1000)]
    mistakes: Annotated[int, Field(ge=0)]
    card_texts: bool | Literal["auto"]


class TextTrackingParams(TrackingParams):
    # Any name that MLflow can keep, search for and find again as models:/NAME@champion.
    registered_model: Annotated[str, Field(pattern=r"""^\w[^/:?'"\p{C}]*$""", max_length=256)]


class TextParams(PipelineParams):
    data: DataParams
    preprocess: PreprocessParams
    split: SplitParams
    tokenize: TokenizeParams
    pretrain: PretrainParams
    model: ModelParams
    train: TextTrainParams
    evaluate: EvaluateParams
    tracking: TextTrackingParams

    @model_validator(mode="after")
    def _check_frozen(self) -> "TextParams":
        if self.model.freeze_embeddings and self.pretrain.method == "none" and not self.model.embeddings:
            raise ValueError(
                f"model.freeze_embeddings = {str(self.model.freeze_embeddings).lower()} while there are no vectors: "
                "expected model.embeddings or pretrain.method to give some"
            )
        return self

    @property
    def registered_model(self) -> str:
        return self.tracking.registered_model

    @property
    def main_metrics(self) -> tuple[str, ...]:
        return "test/macro_f1", "test/log_loss"

    @property
    def page_metrics(self) -> tuple[str, ...]:
        return "test/macro_f1", "test/accuracy", "best/val_macro_f1"


def read_text_params(path: Path = Path("params.yaml")) -> TextParams:
    """Read and check the parameters of a pipeline of texts.

    Raises:
        InputError: the file is missing, is not YAML, or holds a wrong, unknown or missing parameter.
    """
    return check_params(read_yaml(path), TextParams, path)
