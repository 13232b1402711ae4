"""Descent by gradients of a smooth peak: Adam with weights exp(f*f / width) for a width that shrinks, on more and more steps.

Own program; Boyer and Li use gradients likewise for the second inequality (arXiv 2506.16750).
"""

import numpy as np


def heights() -> np.ndarray:
    """Return the heights of a step function on [-1/4, 1/4]."""
    rng = np.random.default_rng(0)
    starts = [descend(0.5 + rng.random(75), 1500) for _ in range(12)]
    root = min(starts, key=lambda start: ratio(start * start))
    for steps, rounds in ((75, 6000), (150, 6000), (300, 8000), (600, 8000)):
        root = np.repeat(root, steps // len(root)) * (1 + 0.01 * rng.normal(size=steps))
        root = descend(root, rounds)
    return root * root


def ratio(f: np.ndarray) -> float:
    """Return the peak of the autoconvolution over the squared integral."""
    return 2 * len(f) * np.convolve(f, f).max() / f.sum() ** 2


def descend(root: np.ndarray, rounds: int) -> np.ndarray:
    """Return the square root of the best heights seen."""
    n = len(root)
    size = 1 << (2 * n - 1).bit_length()
    mean, spread, best, least = np.zeros(n), np.zeros(n), root, np.inf
    for k in range(rounds):
        share = k / rounds
        f = root * root
        area = f.sum()
        transform = np.fft.rfft(f, size)
        curve = 2 * n * np.fft.irfft(transform * transform, size)[: 2 * n - 1] / area**2
        peak = curve.max()
        if peak < least:
            best, least = root.copy(), peak
        weights = np.exp((curve - peak) * 50 * 200**share)
        weights /= weights.sum()
        pull = np.fft.irfft(np.fft.rfft(weights, size) * np.conj(transform), size)[:n]
        slope = (4 * n * pull / area**2 - 2 * (weights @ curve) / area) * 2 * root
        mean, spread = 0.9 * mean + 0.1 * slope, 0.999 * spread + 0.001 * slope**2
        step = 0.02 * 0.002**share
        root = root - step * (mean / (1 - 0.9 ** (k + 1))) / (np.sqrt(spread / (1 - 0.999 ** (k + 1))) + 1e-12)
    return best
