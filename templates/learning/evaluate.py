"""The judge: draws data, keeps the labels of the points that are asked for, and scores predictions."""

from __future__ import annotations

import numpy as np

from evolve import Candidate, Invalid, Result

TRAIN, TEST, NOISE, WIDEST = 200, 400, 0.08, 12
SCREEN, HELD_OUT = 1000, (41_113, 86_243, 90_679)


def screen(candidate: Candidate) -> float:
    """Score fewer points of another seed first."""
    return error(candidate, SCREEN, TEST // 4)[0]


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Train in the jail on data that the seed decides, the same for every candidate, and score the predictions."""
    score, wrong, width = error(candidate, seed, TEST)
    return Result(
        score, {"wrong": wrong, "features": width}, f"{width} features; {wrong:.1%} of the points on the wrong side"
    )


def validate(candidate: Candidate) -> float:
    """Score data of seeds that no candidate has seen."""
    return sum(error(candidate, seed, TEST)[0] for seed in HELD_OUT) / len(HELD_OUT)


def error(candidate: Candidate, seed: int, count: int) -> tuple[float, float, int]:
    """Return the mean squared error, the share of points on the wrong side, and the number of features."""
    rng = np.random.default_rng(seed)
    points, labels = spirals(rng, TRAIN)
    new, answers = spirals(rng, count)
    reply = candidate.call("harness:train", points, labels, new)  # without `answers`
    if not isinstance(reply, tuple) or len(reply) != 2 or not isinstance(reply[1], np.ndarray):
        raise Invalid("train must return the number of features and an array of predictions")
    width, predictions = reply
    if type(width) is not int or not 1 <= width <= WIDEST:
        raise Invalid(f"features must have 1 to {WIDEST} columns, not {width!r}")
    if predictions.shape != (count,) or predictions.dtype != np.float64 or not np.isfinite(predictions).all():
        raise Invalid(f"expected {count} finite float64 predictions, got {predictions.dtype} {predictions.shape}")
    clipped = np.clip(predictions, -10.0, 10.0)
    return float(np.mean((clipped - answers) ** 2)), float(np.mean(clipped * answers <= 0)), width


def spirals(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (count, 2) of two spirals in equal numbers, in a random order, and which spiral each is of: +1 or -1."""
    labels = rng.permutation(np.where(np.arange(count) % 2, 1.0, -1.0))
    along = rng.uniform(0.3, 2.5, count)
    angle = 2.2 * along + np.pi * (labels > 0)
    points = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
    return points + NOISE * rng.standard_normal(points.shape), labels
