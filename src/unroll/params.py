"""params.yaml as checked, typed, frozen values: how it is read, and the sections that all pipelines have.

text_params.py and sequence_params.py have what the pipelines of texts and of real-valued sequences add.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from unroll.errors import InputError

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(gt=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
# An empty text in YAML means the same as null: nothing is set.
Optional = Annotated[str | None, AfterValidator(lambda value: value or None)]
Sha256 = Annotated[str | None, Field(pattern=r"^([0-9a-fA-F]{64})?$"), AfterValidator(lambda value: value or None)]

# Of the names in an address's query, those whose value is for nobody else; "sig" is Azure's.
SECRET_NAMES = ("sig", "key", "auth", "pass", "pwd", "jwt")
PARTS_OF_SECRET_NAMES = ("token", "secret", "signature", "credential", "password", "passwd", "apikey", "accesskey")


def refuse_credentials(address: str | None) -> str | None:
    """Return an address or path that may stand in files that Git and MLflow keep: params.yaml, dvc.lock.

    Raises:
        PydanticCustomError: it holds a user, a password or a key, or is no whole address.
    """
    if not address or "://" not in address:
        return address
    try:
        url = urlsplit(address)
        url.port  # noqa: B018  # raises what is wrong with it; a slash in a password cuts the address short there
    except ValueError:
        raise PydanticCustomError("address", "malformed") from None
    if _holds_credentials(url):
        raise PydanticCustomError("credentials", "holds credentials")
    return address


def _holds_credentials(url: SplitResult) -> bool:
    names = [name.lower().replace("-", "").replace("_", "") for name, _ in parse_qsl(url.query, keep_blank_values=True)]
    secret = (name in SECRET_NAMES or any(part in name for part in PARTS_OF_SECRET_NAMES) for name in names)
    return "@" in url.netloc or any(secret)


Address = Annotated[Optional, AfterValidator(refuse_credentials)]


class Section(BaseModel):
    """A part of params.yaml: no unknown keys, no silent conversions, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SourceParams(Section):
    dataset: str


class EncoderParams(Section):
    cell: Literal["rnn", "gru", "lstm"]
    hidden_size: Count
    layers: Annotated[int, Field(ge=1, le=16)]
    bidirectional: bool
    dropout: Dropout


class TrainParams(Section):
    seed: Seed
    epochs: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    patience: Count
    lr_patience: Annotated[int, Field(ge=0)]
    lr_factor: Share
    clip_norm: Annotated[float, Field(gt=0)]
    weight_average: Annotated[float, Field(ge=0, lt=1)]
    log_gradients: bool
    threads: Annotated[int, Field(ge=1, le=1024)]
    portable: bool
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]

    @model_validator(mode="after")
    def _check_portable(self) -> "TrainParams":
        if self.portable and self.threads != 1:
            raise ValueError(f"train.threads = {self.threads} while train.portable = true: expected 1")
        if self.portable and self.device == "cuda":
            raise ValueError("train.device = 'cuda' while train.portable = true: expected cpu or auto")
        return self


class TrackingParams(Section):
    enabled: bool
    experiment: Annotated[str, Field(min_length=1)]
    system_metrics: bool


class PipelineParams(Section):
    """What every pipeline's params.yaml has."""

    data: SourceParams
    model: EncoderParams
    train: TrainParams
    tracking: TrackingParams

    @property
    def registered_model(self) -> str | None:
        """The name under which MLflow registers models; without one, it only keeps their files."""
        return None

    @property
    def main_metrics(self) -> tuple[str, ...]:
        """The metrics that results are compared by, as MLflow names them, the most important first."""
        raise NotImplementedError

    @property
    def page_metrics(self) -> tuple[str, ...]:
        """The metrics that MLflow's page of runs shows."""
        return self.main_metrics


M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """Read a parameter file without checking what it holds.

    Raises:
        InputError: the file is missing or is not YAML.
    """
    from ruamel.yaml import YAML, YAMLError  # imported here: a prediction reads no parameters

    try:
        return YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run from a folder that holds a pipeline") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None


def check_params(values: Any, schema: type[M], path: Path) -> M:
    """Check a whole file of parameters, so that a mistake stops the first stage that runs.

    Raises:
        InputError: there is a wrong, unknown or missing parameter.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first, *others = error.errors()
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"{path}: {_explain(first, schema)}{more}") from None


def flatten_params(params: Section) -> dict[str, str | int | float | bool | None]:
    """Return `{"model.cell": "gru", …}`, the names that `dvc exp run -S` uses."""
    flat = {}
    for name, value in params:
        if isinstance(value, Section):
            flat |= {f"{name}.{key}": item for key, item in flatten_params(value).items()}
        else:
            flat[name] = value
    return flat


def _explain(error: ErrorDetails, schema: type[BaseModel]) -> str:
    """Put a pydantic error into the words of params.yaml."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "extra_forbidden":
        known = _known_keys(schema, error["loc"][:-1])
        close = get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return f"{name} is not a parameter{hint}: expected one of {', '.join(known)}"
    if error["type"] == "value_error":  # raised above, complete in itself
        return str(error["ctx"]["error"])
    if error["type"] == "credentials":
        where = "~/.netrc keeps user and password, or download the file and give its path"
        return f"{name} = {error['input']!r} holds a user, a password or a key: expected an address without ({where})"
    if error["type"] == "address":
        return f"{name} = {error['input']!r}: expected a path, or an address such as https://host/file.csv"
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


def _known_keys(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    model = schema
    for key in location:
        model = model.model_fields[str(key)].annotation  # type: ignore[assignment]
    return list(model.model_fields)
