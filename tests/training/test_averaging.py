"""The moving average of the weights, beside PyTorch's own."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from unroll.training.averaging import MovingAverage


def change(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight))


def test_it_comes_to_be_what_pytorch_computes() -> None:
    model = nn.LSTM(3, 4)
    average = MovingAverage(model, decay=0.1)  # from the second step on: before, it forgets no faster than that
    expected = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.1))
    for seed in range(5):
        change(model, seed)
        average.update(model)
        expected.update_parameters(model)
    for name, weight in expected.module.named_parameters():
        torch.testing.assert_close(average.module.get_parameter(name), weight)


def test_at_first_it_forgets_faster() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = MovingAverage(model, decay=0.9)
    kept = []
    for number in range(100):
        before = average.module.weight.item()
        nn.init.constant_(model.weight, before + 1)
        average.update(model)
        kept.append(1 - (average.module.weight.item() - before))
        assert average.updates == number + 1
    # The first weights are taken as they are; then the decay rises, (1 + updates) / (10 + updates), to its bound.
    torch.testing.assert_close(torch.tensor(kept[:3]), torch.tensor([0, 2 / 11, 3 / 12]), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.tensor(kept[80:]), torch.full((20,), 0.9), atol=1e-4, rtol=0)


def test_it_shares_nothing_with_the_model_and_leaves_alone_what_is_frozen() -> None:
    model = nn.Linear(2, 2)
    average = MovingAverage(model, decay=0.9)
    start = average.module.weight.clone()
    model.weight.requires_grad_(False)
    change(model, 0)
    assert torch.equal(average.module.weight, start)
    average.update(model)
    assert torch.equal(average.module.weight, start)
    assert torch.equal(average.module.bias, model.bias) and average.module.bias is not model.bias
