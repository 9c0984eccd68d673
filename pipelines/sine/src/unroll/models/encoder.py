"""What all models share: recurrent layers over sequences of any lengths, and pooling over time."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unroll.models.cells import LAYERS, State, unroll_layers
from unroll.params.common import EncoderParams


class RecurrentEncoder(nn.Module):
    """One or more recurrent layers over sequences of any lengths.

    RNN: Elman 1990; LSTM: Hochreiter & Schmidhuber 1997; GRU: Cho et al. 2014 (arXiv:1406.1078); both directions:
    Schuster & Paliwal 1997.
    """

    def __init__(self, input_size: int, config: EncoderParams, unrolled: bool = False) -> None:
        super().__init__()
        self.directions = 2 if config.bidirectional else 1
        self.output_size = config.hidden_size * self.directions
        self.unrolled = unrolled  # runs the loops of cells.py, on sequences of full length
        self.layers = LAYERS[config.cell](
            input_size,
            config.hidden_size,
            num_layers=config.layers,
            dropout=config.dropout if config.layers > 1 else 0.0,
            bidirectional=config.bidirectional,
            batch_first=True,
        )

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read sequences `[batch, time, features]` of the given lengths ([batch] int64 on the CPU; None: all full).

        Returns:
            The states at each step, `[batch, time, directions * hidden]`, zero beyond a sequence's length; and the
            final states of the last layer, `[batch, directions * hidden]`: forward at the sequence's end, backward
            at its start. Sequences that differ in length are packed, so that no direction ever reads padding.
        """
        if lengths is None:
            states, hidden = self._run(features, None)
        else:
            packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
            states, hidden = self.layers(packed)
            states, _ = pad_packed_sequence(states, batch_first=True, total_length=features.shape[1])
        if isinstance(hidden, tuple):  # an LSTM has a memory too
            hidden = hidden[0]
        final = hidden[-self.directions :].transpose(0, 1).flatten(start_dim=1)
        return states, final

    def resume(self, features: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Read on from a state, `[batch, time, features]`; return the states and the last state."""
        return self._run(features, state)

    def _run(self, features: Tensor, state: State | None) -> tuple[Tensor, State]:
        return unroll_layers(self.layers, features, state) if self.unrolled else self.layers(features, state)


class Pooling(nn.Module):
    """From a sequence's states to one vector: the final states, or the maximum, mean or weighted mean over time.

    Attention is a learned score of each state, softmax over time (Yang et al. 2016, NAACL, without their tanh layer).
    """

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.kind = kind
        self.score = nn.Linear(size, 1, bias=False) if kind == "attention" else None

    def forward(self, states: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`[batch, time, size]`, `[batch, size]` and lengths ([batch] int64; None: all full) to `[batch, size]`."""
        if self.kind == "last":
            return final
        if lengths is None:
            padding = None
        else:
            time = torch.arange(states.shape[1], device=states.device)
            padding = (time >= lengths.to(states.device)[:, None])[:, :, None]
        if self.kind == "max":
            return (states if padding is None else states.masked_fill(padding, -torch.inf)).amax(dim=1)
        if self.score is not None:
            scores = self.score(states)
            if padding is not None:
                scores = scores.masked_fill(padding, -torch.inf)
            return (torch.softmax(scores, dim=1) * states).sum(dim=1)
        # States beyond a sequence's length are zero, so only the divisor depends on the lengths.
        return states.mean(dim=1) if lengths is None else states.sum(dim=1) / lengths.to(states)[:, None]
