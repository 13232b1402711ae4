"""MNIST-1D (Greydanus and Kobak, arXiv 2011.14439): ten digits as curves of 40 points, drawn anew for every seed, so that
test sets are unlimited, disjoint and need no download.

Each curve is a template of 12 points, padded, stretched, scaled, shifted, laid into smooth noise, sheared and resampled.
The steps, their order and their constants are those of the authors' generator; given the same random numbers the curves
agree to rounding. Two things differ: NumPy's new generator draws the numbers, and curves are standardised by the
generator's own mean and deviation, not by those of the samples that happen to be drawn with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CLASSES = 10
POINTS = 40
"""Of a curve."""
MEAN, DEVIATION = -0.00606, 0.15469
"""Of all points of two million curves."""

TEMPLATES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)
"""The shapes of the digits, one per class, as published."""

SHORTEST, LONGEST = 36, 60
"""Points of padding after a template."""
CANVAS = TEMPLATES.shape[1] + LONGEST
"""Points of a curve before it is resampled."""
SHIFTS = 48
SCALE, SHEAR = 0.4, 0.75
SMOOTH, WHITE = 0.25, 0.02
"""Deviations of the noise beside the digit, before it is smoothed, and of the noise everywhere."""
SIGMA, RADIUS = 2.0, 8
"""The smoothing Gaussian's deviation and where it is cut off, in points."""


def samples(count: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return ``count`` curves, (count, 40), mean 0 and deviation 1, and their classes, in random order and in equal numbers.

    Args:
        count: a multiple of 10.
        seed: different seeds have nothing in common.
    """
    if count < 1 or count % CLASSES:
        raise ValueError(f"{count} samples cannot be divided equally among {CLASSES} classes")
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.repeat(np.arange(CLASSES), count // CLASSES))
    curves = (render(classes, draws(count, rng)) - MEAN) / DEVIATION
    return curves.astype(np.float32), classes.astype(np.int64)


def draws(count: int, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    """Draw all that is random about ``count`` curves."""
    return {
        "padding": rng.integers(SHORTEST, LONGEST + 1, count),
        "scale": rng.random(count),
        "shift": rng.integers(0, SHIFTS, count),
        "smooth": rng.standard_normal((count, CANVAS)),
        "white": rng.standard_normal((count, CANVAS)),
        "shear": rng.random(count),
    }


def render(classes: npt.NDArray[np.int64], drawn: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """Return the curves of some classes for given random numbers, (count, 40), not standardised."""
    shapes = np.zeros((CLASSES, CANVAS + 1))
    shapes[:, : TEMPLATES.shape[1]] = _normalised() + 1e-8  # not 0, which marks the padding
    stretched = _resampled(shapes[classes], TEMPLATES.shape[1] + drawn["padding"], CANVAS)
    scaled = stretched * (1 + SCALE * (drawn["scale"] - 0.5))[:, None]
    places = (np.arange(CANVAS) - drawn["shift"][:, None]) % CANVAS
    shifted = np.take_along_axis(scaled, places, axis=1)
    noisy = np.where(shifted != 0, shifted, SMOOTH * drawn["smooth"] @ _gaussian().T) + WHITE * drawn["white"]
    slope = SHEAR * (drawn["shear"] - 0.5)
    sheared = noisy - slope[:, None] * np.linspace(-0.5, 0.5, CANVAS)
    return _resampled(sheared, np.full(len(classes), CANVAS), POINTS)


def _normalised() -> Floats:
    """Return the templates with mean 0 and deviation 1/6, moved to begin at 0."""
    centred = TEMPLATES - TEMPLATES.mean(1, keepdims=True)
    centred /= centred.std(1, keepdims=True)
    moved: Floats = (centred - centred[:, :1]) / 6
    return moved


def _resampled(curves: Floats, lengths: npt.NDArray[Any], points: int) -> Floats:
    """Return each curve's first ``lengths`` points, linearly interpolated at ``points`` even places."""
    places = np.linspace(0, 1, points) * (lengths[:, None] - 1)
    left = np.minimum(places.astype(np.int64), lengths[:, None] - 2)
    part = places - left
    between: Floats = np.take_along_axis(curves, left, 1) * (1 - part) + np.take_along_axis(curves, left + 1, 1) * part
    return between


def _gaussian() -> Floats:
    """Return the matrix that smooths a curve, reflected at its ends."""
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    matrix = np.zeros((CANVAS, CANVAS))
    for row in range(CANVAS):
        for offset, weight in zip(range(-RADIUS, RADIUS + 1), weights / weights.sum(), strict=True):
            column = row + offset
            column = -1 - column if column < 0 else 2 * CANVAS - 1 - column if column >= CANVAS else column
            matrix[row, column] += weight
    return matrix
