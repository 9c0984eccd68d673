"""The parameters of the pipelines over real-valued sequences: mnist, sine, sin2cos and hello."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from unroll.base.errors import InputError
from unroll.params.addresses import Address
from unroll.params.common import (
    EncoderParams,
    PipelineParams,
    Section,
    Seed,
    Share,
    SourceParams,
    TrainParams,
    check_params,
    find_dataset,
    read_yaml,
)

Windows = Annotated[int, Field(ge=1, le=1_000_000)]
Word = Annotated[str, Field(min_length=1, max_length=1000)]


class FeatureModelParams(EncoderParams):
    pooling: Literal["none", "last", "max", "mean", "attention"]
    unrolled: bool


class StepModelParams(FeatureModelParams):
    pooling: Literal["none"]


class PictureModelParams(FeatureModelParams):
    pooling: Literal["last", "max", "mean", "attention"]


class PictureData(SourceParams):
    dataset: Literal["digits", "mnist"]
    url: Address
    val: Share
    test: Share
    seed: Seed


class SineData(SourceParams):
    dataset: Literal["sine"]
    series: Annotated[int, Field(ge=1, le=1_000_000)]
    steps: Annotated[int, Field(ge=2, le=10_000)]
    span: Annotated[float, Field(gt=0)]
    frequency: Annotated[float, Field(gt=0)]
    noise: Annotated[float, Field(ge=0)]
    unseen_phases: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Seed


class Sin2CosData(SourceParams):
    dataset: Literal["sin2cos"]
    steps: Annotated[int, Field(ge=2, le=10_000)]
    train_windows: Windows
    val_windows: Windows
    test_windows: Windows


class Sin2CosTrainParams(TrainParams):
    carry_state: bool

    @model_validator(mode="after")
    def _check_order(self) -> "Sin2CosTrainParams":
        if self.carry_state and self.processes > 1:
            raise ValueError(
                f"train.processes = {self.processes} while train.carry_state = true: a window is read from the state "
                "that the one before it left, so expected 1"
            )
        return self


class HelloData(SourceParams):
    dataset: Literal["hello"]
    input: Word
    target: Word

    @model_validator(mode="after")
    def _check_lengths(self) -> "HelloData":
        if len(self.input) != len(self.target):
            raise ValueError(
                f"data.target = {self.target!r} has {len(self.target)} letters: expected {len(self.input)}, as many as "
                f"data.input = {self.input!r}"
            )
        return self


class EvaluateParams(Section):
    calibration_bins: Annotated[int, Field(ge=1, le=1000)]


class SequenceParams(PipelineParams):
    model: FeatureModelParams

    @property
    def carry_state(self) -> bool:
        """Whether sequences follow each other in time and the state is carried on."""
        return False


class PictureParams(SequenceParams):
    data: PictureData
    model: PictureModelParams
    evaluate: EvaluateParams

    @property
    def main_metrics(self) -> tuple[str, ...]:
        return "test/accuracy", "test/log_loss"


class SineParams(SequenceParams):
    data: SineData
    model: StepModelParams

    @model_validator(mode="after")
    def _check_direction(self) -> "SineParams":
        # The target of each step is the next value, which a backward direction would have read.
        if self.model.bidirectional:
            raise ValueError(
                "model.bidirectional = true: read backward, the next value is known before it is forecast, so expected "
                "false"
            )
        return self

    @property
    def main_metrics(self) -> tuple[str, ...]:
        return "test/free_run_rmse", "test/one_step_rmse"


class Sin2CosParams(SequenceParams):
    data: Sin2CosData
    model: StepModelParams
    train: Sin2CosTrainParams

    @model_validator(mode="after")
    def _check_direction(self) -> "Sin2CosParams":
        if self.train.carry_state and self.model.bidirectional:
            raise ValueError(
                "model.bidirectional = true: a state can be carried on in one direction only, so expected false, or "
                "train.carry_state = false"
            )
        return self

    @property
    def carry_state(self) -> bool:
        return self.train.carry_state

    @property
    def main_metrics(self) -> tuple[str, ...]:
        return ("test/mse",)


class HelloParams(SequenceParams):
    data: HelloData
    model: StepModelParams

    @property
    def main_metrics(self) -> tuple[str, ...]:
        return "test/accuracy", "test/epochs_until_right"


SCHEMAS: dict[str, type[SequenceParams]] = {
    "digits": PictureParams,
    "mnist": PictureParams,
    "sine": SineParams,
    "sin2cos": Sin2CosParams,
    "hello": HelloParams,
}


P = TypeVar("P", bound=SequenceParams)


def read_sequence_params(schema: type[P], path: Path = Path("params.yaml")) -> P:
    """Read and check the parameters of a pipeline over sequences; `data.dataset` says which one.

    schema: that of the pipelines that the caller is for; `SequenceParams` stands for all.

    Raises:
        InputError: the file is missing, is not YAML, or holds a wrong, unknown or missing parameter.
    """
    values = read_yaml(path)
    dataset = find_dataset(values)
    known = {name: found for name, found in SCHEMAS.items() if issubclass(found, schema)}
    if not isinstance(dataset, str) or dataset not in known:
        raise InputError(f"{path}: data.dataset = {dataset!r}: expected one of {', '.join(known)}")
    return check_params(values, known[dataset], path)
