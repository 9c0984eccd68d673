"""The recurrent cells: PyTorch's layers, and the same mathematics written out step by step, for readers.

The written steps are the reference that the layers are tested against, and what `model.unrolled` runs.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

State = Tensor | tuple[Tensor, Tensor]  # [layers * directions, batch, hidden]; an LSTM has two, hidden and memory


def detach_state(state: State) -> State:
    """Return the state's values, detached from the computation that made them."""
    return (state[0].detach(), state[1].detach()) if isinstance(state, tuple) else state.detach()


def step_rnn(projected: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One step of Elman's network: h' = tanh(x W + b + h U + c). `[batch, hidden]` each.

    projected: x W + b; weight: U, `[hidden, hidden]`; bias: c.
    """
    return torch.tanh(projected + linear(hidden, weight, bias))


def step_gru(projected: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One step of a gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), as cuDNN and PyTorch have it.

    r, z = σ(x W + b + h U + c) are the reset and the update gate, n = tanh(x W + b + r · (h U + c)) the candidate,
    h' = (1 - z) · n + z · h. projected: `[batch, 3 * hidden]`, weight: `[3 * hidden, hidden]`, in the order r, z, n.
    """
    from_input, from_hidden = projected.chunk(3, dim=1), linear(hidden, weight, bias).chunk(3, dim=1)
    reset, update = (torch.sigmoid(a + b) for a, b in zip(from_input[:2], from_hidden[:2], strict=True))
    candidate = torch.tanh(from_input[2] + reset * from_hidden[2])
    return (1 - update) * candidate + update * hidden


def step_lstm(projected: Tensor, state: tuple[Tensor, Tensor], weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i, f, o = σ(x W + b + h U + c) are the input, forget and output gate, g = tanh(…) the candidate; the memory becomes
    c' = f · c + i · g, the state h' = o · tanh(c'). projected: `[batch, 4 * hidden]`, in the order i, f, g, o.
    """
    hidden, memory = state
    i, f, g, o = (projected + linear(hidden, weight, bias)).chunk(4, dim=1)
    memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(memory), memory


LAYERS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
# One step of a layer, by its `mode`.
STEPS: dict[str, Callable[..., Any]] = {"RNN_TANH": step_rnn, "GRU": step_gru, "LSTM": step_lstm}


def unroll_layers(layers: nn.RNNBase, features: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Compute `layers(features, state)` with a loop over time for each layer and direction.

    layers: an nn.RNN, nn.GRU or nn.LSTM, batch first; features: `[batch, time, features]`, all of full length; state:
    `[layers * directions, batch, hidden]`, for an LSTM two of them, as the layers take it. Returns what they return.
    """
    is_lstm, directions = isinstance(layers, nn.LSTM), 2 if layers.bidirectional else 1
    parts = state if isinstance(state, tuple) else (state,)
    given = [None if part is None else part.unbind() for part in parts]
    finals: list[Any] = []
    for layer in range(layers.num_layers):
        outputs = []
        for direction in range(directions):
            number = layer * directions + direction
            first = [features.new_zeros(len(features), layers.hidden_size) if s is None else s[number] for s in given]
            suffix = f"l{layer}" + ("_reverse" if direction else "")
            weights = [getattr(layers, f"{name}_{suffix}") for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")]
            start = (first[0], first[-1]) if is_lstm else first[0]
            steps = list(_walk(layers, features.flip(1) if direction else features, start, *weights))
            states = torch.stack([step[0] if is_lstm else step for step in steps], dim=1)
            outputs.append(states.flip(1) if direction else states)
            finals.append(steps[-1])
        features = torch.cat(outputs, dim=2)
        if layer < layers.num_layers - 1:
            features = dropout(features, layers.dropout, layers.training)
    if is_lstm:
        hidden, memory = (torch.stack(part) for part in zip(*finals, strict=True))
        return features, (hidden, memory)
    return features, torch.stack(finals)


def _walk(
    layers: nn.RNNBase,
    features: Tensor,
    state: State,
    weight_ih: Tensor,
    bias_ih: Tensor,
    weight_hh: Tensor,
    bias_hh: Tensor,
) -> Iterator[Any]:
    """Yield the state after each step: what the layers' step takes and returns, for an LSTM two tensors."""
    for projected in linear(features, weight_ih, bias_ih).unbind(dim=1):
        state = STEPS[layers.mode](projected, state, weight_hh, bias_hh)
        yield state
