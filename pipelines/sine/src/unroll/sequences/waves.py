"""Sine waves for learning forecasts."""

import numpy as np

from unroll.sequences.params import SineData


def draw_phases(count: int, seed: list[int]) -> np.ndarray:
    """Return random phases in radians, [count] float64."""
    return np.random.default_rng(seed).uniform(0, 2 * np.pi, count)


def make_waves(phases: np.ndarray, points: int, data: SineData) -> np.ndarray:
    """Return sin(phase + frequency · t) at `points` times, `[waves, points, 1]` float32.

    The first `data.steps` times span `data.span`; later ones follow at the same distance.
    """
    times = np.arange(points) * data.span / data.steps
    return np.sin(phases[:, None] + data.frequency * times)[:, :, None].astype(np.float32)


def observe(waves: np.ndarray, noise: float, seed: list[int]) -> np.ndarray:
    """Return the waves with normal noise of this standard deviation, of one shape, float32."""
    return (waves + np.random.default_rng(seed).normal(0, noise, waves.shape)).astype(np.float32) if noise else waves
