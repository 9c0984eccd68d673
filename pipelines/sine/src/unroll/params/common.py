"""params.yaml as checked, typed, frozen values: how it is read, and the sections that all pipelines have.

params/texts.py and sequences/params.py have what the pipelines of texts and of real-valued sequences add.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from unroll.base.errors import InputError
from unroll.params.messages import explain_errors

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Size = Annotated[int, Field(ge=1, le=10_000)]  # of vectors: the byte size of the largest network still fits an integer
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(gt=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
# An empty text in YAML means the same as null: not set.
OptionalText = Annotated[str | None, AfterValidator(lambda value: value or None)]
Sha256 = Annotated[str | None, Field(pattern=r"^([0-9a-fA-F]{64})?$"), AfterValidator(lambda value: value or None)]

SPLIT_NAMES = ("train", "val", "test")
Cell = Literal["rnn", "gru", "lstm"]

LIMIT_BYTES = 100_000  # of a parameter file; parsing takes a second for some ten thousand


class Section(BaseModel):
    """A part of params.yaml: no unknown keys, no silent conversions, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SourceParams(Section):
    dataset: str


class EncoderParams(Section):
    cell: Cell
    hidden_size: Size
    layers: Annotated[int, Field(ge=1, le=16)]
    bidirectional: bool
    dropout: Dropout


class TrainParams(Section):
    seed: Seed
    epochs: Count
    batch_size: Count | Literal["auto"]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    patience: Count
    lr_patience: Count
    lr_factor: Share
    clip_norm: Annotated[float, Field(gt=0)]
    weight_average: Annotated[float, Field(ge=0, lt=1)]
    log_gradients: bool
    threads: Annotated[int, Field(ge=1, le=1024)]
    processes: Annotated[int, Field(ge=1, le=1024)]
    portable: bool | Literal["auto"]
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]

    @model_validator(mode="after")
    def _check_portable(self) -> "TrainParams":
        if self.portable is True and self.threads != 1:
            raise ValueError(f"train.threads = {self.threads} while train.portable = true: expected 1")
        if self.portable is True and self.processes != 1:
            raise ValueError(f"train.processes = {self.processes} while train.portable = true: expected 1")
        if self.portable is True and self.device == "cuda":
            raise ValueError("train.device = 'cuda' while train.portable = true: expected cpu or auto")
        return self


class TrackingParams(Section):
    enabled: bool
    experiment: Annotated[str, Field(min_length=1, max_length=500)]  # the longest that MLflow accepts
    system_metrics: bool


class PipelineParams(Section):
    """What every pipeline's params.yaml has."""

    data: SourceParams
    model: EncoderParams
    train: TrainParams
    tracking: TrackingParams

    @model_validator(mode="after")
    def _check_processes(self) -> "PipelineParams":
        # Between layers, PyTorch's own code draws random numbers for the examples that it is given, and no others.
        if self.train.processes > 1 and self.model.layers > 1 and self.model.dropout > 0:
            raise ValueError(
                f"train.processes = {self.train.processes} while model.layers = {self.model.layers} with dropout "
                "between them: expected 1 process, 1 layer or model.dropout = 0"
            )
        return self

    @property
    def registered_model(self) -> str | None:
        """The name under which MLflow registers models; without one, it only keeps their files."""
        return None

    @property
    def main_metrics(self) -> tuple[str, ...]:
        """The metrics that results are compared by, as MLflow names them, the most important first."""
        return ()

    @property
    def page_metrics(self) -> tuple[str, ...]:
        """The metrics that MLflow's page of runs shows."""
        return self.main_metrics


M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """Read a parameter file without checking what it holds.

    Raises:
        InputError: the file is missing, cannot be read, is too large or is not YAML.
    """
    from ruamel.yaml import YAML  # imported here: a prediction reads no parameters
    from ruamel.yaml.error import YAMLError

    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run from a folder that holds a pipeline") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > LIMIT_BYTES:
        raise InputError(f"{path} has more than {LIMIT_BYTES:,} bytes: expected a file of parameters")
    try:
        return YAML(typ="safe", pure=True).load(content)
    except YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {_locate(error)}") from None
    except RecursionError:
        raise InputError(f"{path} is not valid YAML: lists or sections are nested too deep") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # no such day, or !!int before a word
        raise InputError(
            f"{path} is not valid YAML: a value is not what its form or tag says ({_locate(error)})"
        ) from None


def find_dataset(values: Any) -> Any:
    """Return `data.dataset` of a parameter file, which tells the pipeline; None if there is none."""
    data = values.get("data") if isinstance(values, dict) else None
    return data.get("dataset") if isinstance(data, dict) else None


def check_params(values: Any, schema: type[M], path: Path) -> M:
    """Check a whole parameter file, so that a mistake stops the first stage that runs.

    Raises:
        InputError: a parameter is wrong, unknown or missing.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {explain_errors(error, schema)}") from None


def flatten_params(params: Section) -> dict[str, str | int | float | bool | None]:
    """Return `{"model.cell": "gru", …}`, the names that `dvc exp run -S` uses."""
    flat: dict[str, str | int | float | bool | None] = {}
    for name, value in params:
        if isinstance(value, Section):
            flat |= {f"{name}.{key}": item for key, item in flatten_params(value).items()}
        else:
            flat[name] = value
    return flat


def _locate(error: Any) -> str:
    """Return what the YAML parser reports, and where, without the line itself and advice to programmers."""
    mark = getattr(error, "problem_mark", None)
    if mark:
        problem = " ".join(error.problem.removeprefix("but ").split())
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    if hasattr(error, "position"):  # the error is about a character that YAML forbids
        return f"character {error.position + 1:,}: {error.reason}"
    return " ".join(str(error).split(";")[0].split())
