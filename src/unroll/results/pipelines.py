"""The parameters of whatever pipeline it is: for the commands that work in the folder of any."""

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
    """Return what the parameters are checked by: `data.dataset` tells the pipeline."""
    dataset = find_dataset(values)
    return SCHEMAS.get(dataset, TextParams) if isinstance(dataset, str) else TextParams
