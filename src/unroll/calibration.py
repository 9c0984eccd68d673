"""Probabilities that can be believed."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the number to divide logits by that gives the lowest log loss (Guo et al. 2017, ICML).

    Where all rows are right, any sharper probabilities would be better still; then nothing is sharpened. logits: [rows,
    classes]; labels: [rows] int64.
    """
    lowest = 0 if (logits.argmax(axis=1) == labels).all() else -5

    def compute_loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(compute_loss, bounds=(lowest, 5), method="bounded").x))
