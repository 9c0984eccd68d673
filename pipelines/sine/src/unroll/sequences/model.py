"""The model of real-valued sequences: RNN, GRU or LSTM → pooling over time, or none → linear head."""

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from unroll.base.errors import InputError, explain_missing
from unroll.base.files import read_json
from unroll.models.cells import State
from unroll.models.encoder import Pooling, RecurrentEncoder
from unroll.models.files import SEQUENCE_PARTS, check_parts
from unroll.models.layers import Dropout
from unroll.params.common import Size, check_params
from unroll.sequences.params import FeatureModelParams


class SequenceConfig(FeatureModelParams):
    """What is needed to rebuild the model, and to turn its outputs into probabilities if they are logits."""

    input_size: Size
    outputs: Size
    temperature: Annotated[float, Field(gt=0)] = 1.0


class SequenceModel(nn.Module):
    """From sequences to logits or values: one for each sequence, or without pooling one for each step."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.encoder = RecurrentEncoder(config.input_size, config, config.unrolled)
        size = self.encoder.output_size
        self.pooling = None if config.pooling == "none" else Pooling(config.pooling, size)
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(size, config.outputs)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features `[batch, time, features]` to `[batch, outputs]`, or without pooling `[batch, time, outputs]`."""
        states, final = self.encoder(features, lengths)
        return self.head(self.dropout(self.pooling(states, final, lengths) if self.pooling else states))

    def resume(self, features: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Read on from a state; return the outputs for each step and the last state.

        This needs a model without pooling that reads in one direction.
        """
        states, state = self.encoder.resume(features, state)
        return self.head(self.dropout(states)), state


def load_sequence_model(folder: Path) -> tuple[SequenceModel, SequenceConfig]:
    """Read models/ for evaluation.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
    """
    config_path, path = folder / "config.json", folder / "model.safetensors"
    config = check_params(read_json(config_path), SequenceConfig, config_path)
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise explain_missing(path) from None
    except SafetensorError as error:
        raise InputError(f"{path} holds no weights: {error}") from None
    mismatch = InputError(f"{path} does not fit config.json beside it: expected the files of one training")
    # Check the configuration's sizes against the file before anything that large is made.
    if _list_sizes(weights) != (config.input_size, config.hidden_size, config.outputs):
        raise mismatch
    model = SequenceModel(config)
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise mismatch from None
    check_parts(folder, SEQUENCE_PARTS)
    return model.eval(), config


def _list_sizes(weights: dict[str, Tensor]) -> tuple[int, ...]:
    """Return the sizes of inputs, states and outputs that the weights have; nothing, if they are of another model."""
    names = ("encoder.layers.weight_ih_l0", "encoder.layers.weight_hh_l0", "head.weight")
    if any(name not in weights or weights[name].ndim != 2 for name in names):
        return ()
    inputs, states, outputs = (weights[name].shape for name in names)
    return inputs[1], states[1], outputs[0]


def free_run(model: SequenceModel, features: Tensor, steps: int) -> Tensor:
    """Let a forecast run free: read `[batch, time, features]`, then feed each output back as the next input.

    Returns:
        The outputs, beginning with that for the last input, `[batch, steps, features]`.
    """
    outputs = []
    with torch.no_grad():
        predicted, state = model.resume(features, None)
        for _ in range(steps):
            outputs.append(predicted[:, -1:])
            predicted, state = model.resume(outputs[-1], state)
    return torch.cat(outputs, dim=1)
