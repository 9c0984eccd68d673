"""Dropout: as many zeros as asked for, wherever they fall, and the same mean."""

import pytest
import torch

from unroll.models.layers import Dropout


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.9])
def test_the_share_of_zeros_and_the_mean_are_right(probability: float) -> None:
    torch.manual_seed(0)
    values = torch.full((200, 50, 20), 3.0)
    dropped = Dropout(probability)(values)
    zero = dropped == 0
    assert zero.float().mean().item() == pytest.approx(probability, abs=0.005)
    torch.testing.assert_close(dropped[~zero], torch.full_like(dropped[~zero], 3 / (1 - probability)))
    # Each value by itself: no text, step or feature is favoured.
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        assert (zero.float().mean(dim=others) - probability).abs().max() < 0.06


def test_the_gradient_is_that_of_what_was_kept() -> None:
    torch.manual_seed(0)
    values = torch.randn(30, 40, requires_grad=True)
    dropped = Dropout(0.3)(values)
    dropped.sum().backward()
    torch.testing.assert_close(values.grad, (dropped != 0) / 0.7)


def test_without_it_values_stay_and_no_random_number_is_drawn() -> None:
    values, before = torch.randn(3, 4), torch.get_rng_state()
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values
    assert torch.equal(torch.get_rng_state(), before)
