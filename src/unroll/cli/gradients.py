"""How far gradients reach back in time in different cells: the study of docs/gradients.md."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from matplotlib.figure import Figure

from unroll.base.errors import InputError
from unroll.models.batches import make_batch
from unroll.models.classifier import TextClassifier
from unroll.models.files import ModelConfig
from unroll.params.common import Cell
from unroll.params.texts import ArchitectureParams, TextParams
from unroll.text.tokens import Tokens
from unroll.training.gradients import measure_gradients
from unroll.training.objectives import Classification


@dataclass(frozen=True)
class Reach:
    """For a cell, the norm of the loss's gradient with respect to the input of each step, in order."""

    cell: str
    gain: float  # the factor of the recurrent weights
    norms: list[float]

    @property
    def ratio(self) -> float:
        """The gradient at the first step, divided by that at the last."""
        return self.norms[0] / self.norms[-1] if self.norms[-1] else float("nan")


def check_cells(names: Iterable[str]) -> None:
    """Raise InputError if one of these is not the name of a cell."""
    for name in names:
        if name not in get_args(Cell):
            raise InputError(f"--cell {name}: expected one of {', '.join(get_args(Cell))}")


def measure_reach(tokens: Tokens, config: ModelConfig, cell: str, gain: float, forget_bias: float, seed: int) -> Reach:
    """Return the gradients of an untrained network that reads texts in one direction and predicts after the last word.

    tokens: texts of one length. Recurrent weights that are multiplied by more than one let gradients explode instead of
    vanish (Pascanu et al. 2013, arXiv:1211.5063). A forget gate's bias keeps an LSTM's gradients from vanishing before
    it has learned to forget (Jozefowicz et al. 2015, ICML).
    """
    torch.manual_seed(seed)
    changes = {"cell": cell, "bidirectional": False, "layers": 1, "pooling": "last"}
    model = TextClassifier(config.model_copy(update=changes)).eval()
    with torch.no_grad():
        layer = model.encoder.layers
        weights = dict(layer.named_parameters())
        weights["weight_hh_l0"].mul_(gain)
        if cell == "lstm":
            weights["bias_ih_l0"][layer.hidden_size : 2 * layer.hidden_size] = forget_bias
    batch = make_batch(tokens, np.arange(len(tokens)))
    return Reach(cell, gain, measure_gradients(model, batch, Classification()).steps)


def configure(params: TextParams, tokens: Tokens) -> ModelConfig:
    """Return the configuration of a network of the pipeline's size, for these texts."""
    values = params.model.model_dump(include=set(ArchitectureParams.model_fields)) | {"head": "softmax", "ngrams": 0}
    return ModelConfig(**values, vocabulary_size=int(tokens.ids.max()) + 1, classes=int(tokens.labels.max()) + 1)


def choose_texts(tokens: Tokens, steps: int, count: int) -> Tokens:
    """Return the first `count` texts that have `steps` tokens or more, cut to that length.

    Raises:
        InputError: there are none.
    """
    rows = np.flatnonzero(tokens.lengths >= steps)[:count]
    if not len(rows):
        raise InputError(
            f"--steps {steps}: no text of data/tokens has so many tokens, expected {tokens.lengths.max()} at most"
        )
    texts = [tokens.ids[tokens.offsets[row] : tokens.offsets[row] + steps].tolist() for row in rows]
    return Tokens.from_lists(texts, tokens.labels[rows].tolist())


def draw_reaches(reaches: list[Reach]) -> Figure:
    """Draw the norms over time: a panel for each gain, a line for each cell."""
    gains = sorted({reach.gain for reach in reaches})
    figure = Figure(figsize=(4.2 * len(gains) + 0.6, 3.6), layout="constrained")
    for axes, gain in zip(figure.subplots(1, len(gains), sharey=True, squeeze=False).flat, gains, strict=True):
        for reach in reaches:
            if reach.gain == gain:
                norms = [norm or np.nan for norm in reach.norms]  # values too small for a float32 are not drawn
                axes.semilogy(range(1, len(norms) + 1), norms, label=reach.cell)
        axes.set_title(f"recurrent weights × {gain:g}")
        axes.set_xlabel("time step that the gradient came back to")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.axes[0].set_ylabel("norm of the gradient")
    return figure
