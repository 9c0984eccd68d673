"""Gradients by layer and time step: they are those of the loss, and measuring them changes nothing."""

import numpy as np
import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from builders import make_config
from unroll.models.batches import make_batch
from unroll.models.classifier import TextClassifier
from unroll.text.tokens import Tokens
from unroll.training.gradients import clip_gradients, measure_gradients
from unroll.training.objectives import Classification

LENGTHS = [6, 3, 9, 1]


def make_model(**changes: object) -> TextClassifier:
    torch.manual_seed(0)
    return TextClassifier(make_config(**changes))


def make_texts(lengths: list[int]) -> Tokens:
    random = np.random.default_rng(0)
    texts = [random.integers(2, 50, size=length).tolist() for length in lengths]
    return Tokens.from_lists(texts, [row % 2 for row in range(len(lengths))])


def test_norms_by_layer_are_those_of_the_weights() -> None:
    model, batch = make_model(), make_batch(make_texts(LENGTHS), np.arange(4))
    found = measure_gradients(model, batch, Classification())
    Classification().compute_loss(model(batch.inputs, batch.lengths), batch.targets).backward()
    expected = {name: weight.grad.norm().item() for name, weight in model.named_parameters()}
    assert found.layers == pytest.approx(expected, rel=1e-5)
    assert len(found.steps) == 9 and all(step > 0 for step in found.steps)


def test_steps_are_averaged_over_the_texts_that_reach_them() -> None:
    model, texts = make_model(), make_texts([4, 2])
    long, short = (
        measure_gradients(model, make_batch(texts, np.array([row])), Classification()).steps for row in (0, 1)
    )
    both = measure_gradients(model, make_batch(texts, np.array([0, 1])), Classification()).steps
    # The loss is the mean of two, so each text's share of the gradient is a half; the last steps are of one text alone.
    assert both[:2] == pytest.approx([(a + b) / 2 / 2 for a, b in zip(long, short, strict=False)], rel=1e-5)
    assert both[2:] == pytest.approx([step / 2 for step in long[2:]], rel=1e-5)


def test_measuring_leaves_model_and_random_numbers_as_they_were() -> None:
    model, batch = make_model(dropout=0.5), make_batch(make_texts(LENGTHS), np.arange(4))
    before, state = [weight.clone() for weight in model.parameters()], torch.get_rng_state()
    measure_gradients(model, batch, Classification())
    assert torch.equal(state, torch.get_rng_state())
    assert all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert not model.encoder._forward_pre_hooks


def test_gradients_vanish_in_an_rnn_and_less_in_an_lstm() -> None:
    """The LSTM's forget gates are opened, as its usual initialization does (Jozefowicz et al. 2015)."""
    ratios = {}
    for cell in ("rnn", "lstm"):
        model = make_model(cell=cell, pooling="last", bidirectional=False)
        if cell == "lstm":
            with torch.no_grad():
                model.encoder.layers.bias_hh_l0[12:24] = 3.0
        steps = measure_gradients(model, make_batch(make_texts([40] * 8), np.arange(8)), Classification()).steps
        ratios[cell] = steps[0] / steps[-1]
    assert ratios["rnn"] < 1e-6 < 1e-3 < ratios["lstm"]


def test_frozen_embeddings_have_none() -> None:
    model = make_model()
    model.embedding.weight.requires_grad_(False)
    found = measure_gradients(model, make_batch(make_texts(LENGTHS), np.arange(4)), Classification())
    assert "embedding.weight" not in found.layers
    assert all(step > 0 for step in found.steps)


@pytest.mark.parametrize("limit", [0.01, 0.999, 1.001, 100])
def test_gradients_are_clipped_as_by_pytorch(limit: float) -> None:
    gradients = []
    for clip in (clip_gradients, lambda model, limit: clip_grad_norm_(model.parameters(), limit)):
        model = make_model()
        model.embedding.weight.requires_grad_(False)
        torch.manual_seed(1)
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        start = [torch.randn_like(weight) for weight in weights]
        norm = torch.cat([gradient.flatten() for gradient in start]).norm()
        for weight, gradient in zip(weights, start, strict=True):
            weight.grad = gradient / norm
        assert clip(model, limit).item() == pytest.approx(1)
        gradients.append([weight.grad for weight in weights])
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gradients_that_are_no_numbers_stay_so(value: float) -> None:
    model = torch.nn.Linear(2, 1)
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, value)
    assert not clip_gradients(model, 1.0).isfinite()
    assert all(weight.grad.isnan().all() for weight in model.parameters())
