"""params.yaml as checked, typed, frozen values. It is read here and nowhere else."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from unroll.errors import InputError

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(gt=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
# An empty text in YAML means the same as null: nothing is set.
Optional = Annotated[str | None, AfterValidator(lambda value: value or None)]
Sha256 = Annotated[str | None, Field(pattern=r"^([0-9a-fA-F]{64})?$"), AfterValidator(lambda value: value or None)]


class Section(BaseModel):
    """A part of params.yaml: no unknown keys, no silent conversions, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataParams(Section):
    dataset: Literal["sample", "ag_news", "imdb", "csv"]
    text: Literal["title", "description", "title+description"]
    url: Optional
    sha256: Sha256
    test_url: Optional
    test_sha256: Sha256
    text_column: Annotated[str, Field(min_length=1)]
    label_column: Annotated[str, Field(min_length=1)]
    context_column: Optional

    @model_validator(mode="after")
    def _check_sources(self) -> "DataParams":
        if self.dataset == "csv" and not self.url:
            raise ValueError("data.url = '': data.dataset = 'csv' expects the path or address of your file there")
        for name, url, sha256 in (("", self.url, self.sha256), ("test_", self.test_url, self.test_sha256)):
            if sha256 and not url:
                raise ValueError(f"data.{name}sha256 is set while data.{name}url is empty: expected both or neither")
        if self.test_url and not self.url:
            raise ValueError("data.test_url is set while data.url is empty: expected both or neither")
        if self.test_url and self.dataset == "imdb":
            raise ValueError(f"data.test_url = {self.test_url!r}: expected none, as imdb's archive has the test rows")
        return self


class PreprocessParams(Section):
    lowercase: bool
    brackets: Literal["keep", "drop"]
    numbers: Literal["keep", "mask"]
    punctuation: Literal["keep", "drop"]
    stop_words: Literal["keep", "drop"]
    stemming: Literal["none", "porter"]


class SplitParams(Section):
    train: Share
    val: Share
    test: Share
    seed: Seed

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
    max_tokens: Count


class PretrainParams(Section):
    method: Literal["none", "skipgram"]
    window: Count
    epochs: Count
    least_words: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=1, lt=2**32)]


class ModelParams(Section):
    cell: Literal["rnn", "gru", "lstm"]
    embedding_size: Count
    hidden_size: Count
    layers: Annotated[int, Field(ge=1, le=16)]
    bidirectional: bool
    pooling: Literal["last", "max", "mean", "attention"]
    embedding_dropout: Dropout
    dropout: Dropout


class TrainParams(Section):
    seed: Seed
    epochs: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    embedding_rate: Annotated[float, Field(ge=0, le=1)]
    patience: Count
    lr_patience: Annotated[int, Field(ge=0)]
    lr_factor: Share
    clip_norm: Annotated[float, Field(gt=0)]
    class_weights: bool
    word_dropout: Dropout
    weight_average: Annotated[float, Field(ge=0, lt=1)]
    threads: Annotated[int, Field(ge=1, le=1024)]
    device: Literal["auto", "cpu", "cuda"]


class EvaluateParams(Section):
    calibration_bins: Annotated[int, Field(ge=1, le=1000)]
    mistakes: Annotated[int, Field(ge=0)]


class TrackingParams(Section):
    enabled: bool
    experiment: Annotated[str, Field(min_length=1)]
    registered_model: Annotated[str, Field(pattern=r"^[^/:]+$")]
    system_metrics: bool


class Params(Section):
    data: DataParams
    preprocess: PreprocessParams
    split: SplitParams
    tokenize: TokenizeParams
    pretrain: PretrainParams
    model: ModelParams
    train: TrainParams
    evaluate: EvaluateParams
    tracking: TrackingParams


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check the whole parameter file, so that a mistake stops the first stage that runs.

    Raises:
        InputError: the file is missing, is not YAML, or holds a wrong, unknown or missing parameter.
    """
    from ruamel.yaml import YAML, YAMLError  # imported here: a prediction reads no parameters

    try:
        values = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run from a folder that holds a pipeline") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        first, *others = error.errors()
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"{path}: {_explain(first)}{more}") from None


def flatten_params(params: Section) -> dict[str, str | int | float | bool | None]:
    """Return `{"model.cell": "gru", …}`, the names that `dvc exp run -S` uses."""
    flat = {}
    for name, value in params:
        if isinstance(value, Section):
            flat |= {f"{name}.{key}": item for key, item in flatten_params(value).items()}
        else:
            flat[name] = value
    return flat


def _explain(error: ErrorDetails) -> str:
    """Put a pydantic error into the words of params.yaml."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "extra_forbidden":
        known = _known_keys(error["loc"][:-1])
        close = get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return f"{name} is not a parameter{hint}: expected one of {', '.join(known)}"
    if error["type"] == "value_error":  # raised above, complete in itself
        return str(error["ctx"]["error"])
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"{name or 'the file'} = {error['input']!r}: expected parameters in the form 'name: value'"
    if error["type"] == "string_pattern_mismatch":
        expected = "a name without / and :" if name == "tracking.registered_model" else "64 hexadecimal digits"
        return f"{name} = {error['input']!r}: expected {expected}"
    expected = (
        error["msg"]
        .replace("Input should be", "expected")
        .replace("a valid integer", "an integer")
        .replace("a valid ", "a ")
    )
    return f"{name} = {error['input']!r}: {expected}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Params
    for key in location:
        model = model.model_fields[str(key)].annotation  # type: ignore[assignment]
    return list(model.model_fields)
