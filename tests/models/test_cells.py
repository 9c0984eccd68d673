"""The hand-written cells compute what PyTorch's layers do: states, last states and gradients."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from builders import make_config
from unroll.models.cells import LAYERS, unroll_layers
from unroll.models.encoder import RecurrentEncoder

VARIANTS = list(itertools.product(LAYERS, (1, 2), (False, True), (False, True)))


def make_layers(cell: str, layers: int, bidirectional: bool) -> nn.RNNBase:
    torch.manual_seed(0)
    return LAYERS[cell](5, 7, num_layers=layers, bidirectional=bidirectional, batch_first=True).double()


def make_state(layers: nn.RNNBase) -> Tensor | tuple[Tensor, Tensor]:
    count = layers.num_layers * (2 if layers.bidirectional else 1)
    parts = tuple(torch.randn(count, 3, 7, dtype=torch.float64) for _ in range(2))
    return parts if isinstance(layers, nn.LSTM) else parts[0]


@pytest.mark.parametrize(("cell", "layers", "bidirectional", "resumed"), VARIANTS)
def test_the_loop_is_the_layer(cell: str, layers: int, bidirectional: bool, resumed: bool) -> None:
    module = make_layers(cell, layers, bidirectional)
    features = torch.randn(3, 6, 5, dtype=torch.float64, requires_grad=True)
    state = make_state(module) if resumed else None
    weights = [features, *module.parameters()]
    results = []
    for run in (module, lambda *arguments: unroll_layers(module, *arguments)):
        states, final = run(features, state)
        finals = final if isinstance(final, tuple) else (final,)
        gradients = torch.autograd.grad((states**2).sum() + sum((part**3).sum() for part in finals), weights)
        results.append([states, *finals, *gradients])
    for of_layer, of_loop in zip(*results, strict=True):
        torch.testing.assert_close(of_loop, of_layer, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cell", LAYERS)
def test_dropout_stands_between_the_layers_in_training_only(cell: str) -> None:
    module = make_layers(cell, 2, False)
    module.dropout = 0.9
    features = torch.randn(3, 6, 5, dtype=torch.float64)
    whole, _ = unroll_layers(module.eval(), features)
    dropped, _ = unroll_layers(module.train(), features)
    assert not torch.allclose(whole, dropped)
    torch.testing.assert_close(whole, module.eval()(features)[0], rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("error")  # PyTorch warns about dropout with a single layer
@pytest.mark.parametrize("unrolled", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_encoder_drops_between_layers_alone(layers: int, unrolled: bool) -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(5, make_config(layers=layers, dropout=0.5), unrolled)
    features = torch.randn(3, 6, 5)
    first, second = encoder(features)[0], encoder(features)[0]
    assert torch.equal(first, second) == (layers == 1)
    assert first.count_nonzero() == first.numel()  # what comes out is no longer dropped
