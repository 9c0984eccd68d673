"""The parameters of any pipeline, for commands that work in every pipeline's folder."""

from pathlib import Path
from typing import Any

from unroll.params.common import PipelineParams, check_params, find_dataset, read_yaml
from unroll.params.texts import TextParams
from unroll.sequences.params import SCHEMAS


def read_pipeline_params(path: Path = Path("params.yaml")) -> PipelineParams:
    """Read and check the parameters of the pipeline in the current folder.

    Raises:
        InputError: the file is missing, is not YAML, or holds a wrong, unknown or missing parameter.
    """
    values = read_yaml(path)
    return check_params(values, choose_schema(values), path)


def choose_schema(values: Any) -> type[PipelineParams]:
    """Return the schema of the parameters; `data.dataset` says which pipeline it is."""
    dataset = find_dataset(values)
    return SCHEMAS.get(dataset, TextParams) if isinstance(dataset, str) else TextParams
