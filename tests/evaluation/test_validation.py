"""The temperature that turns distances or logits into probabilities."""

import numpy as np
import pytest

from unroll.evaluation.validation import fit_temperature


def test_the_temperature_undoes_a_scale() -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(3, p=row) for row in shares])
    assert fit_temperature(logits * 5, labels) == pytest.approx(5 * fit_temperature(logits, labels), rel=1e-3)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.1)


def test_nothing_is_sharpened_where_all_rows_are_right() -> None:
    """Any sharper probabilities would have a lower loss."""
    logits = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(1, abs=1e-3)
    assert fit_temperature(logits / 100, np.array([0, 1])) == pytest.approx(1, abs=1e-3)
    # One row of many is wrong: then there is a best, which may be sharper.
    logits = np.repeat([[0.1, 0.0]], 1000, axis=0)
    assert fit_temperature(logits, np.array([1] + [0] * 999)) == pytest.approx(0.1 / np.log(999), rel=1e-3)
