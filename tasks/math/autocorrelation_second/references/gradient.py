"""Ascent by gradients, as Boyer and Li do after an annealing (arXiv 2506.16750; from its abstract, own program).

Adam on the exact ratio, the peak replaced by a power mean that becomes sharper, on more and more steps.
"""

import numpy as np


def heights() -> np.ndarray:
    """Return the heights of a step function."""
    rng = np.random.default_rng(0)
    starts = [ascend(rng.random(64), 1500) for _ in range(16)]
    root = max(starts, key=lambda start: flatness(start * start))
    for steps, rounds in ((64, 6000), (128, 6000), (256, 8000), (512, 8000), (1024, 8000)):
        root = np.repeat(root, steps // len(root)) * (1 + 0.02 * rng.normal(size=steps))
        root = ascend(root, rounds)
    return root * root


def flatness(f: np.ndarray) -> float:
    """Return the integral of g squared over that of g and the peak of g = f * f."""
    g = np.concatenate([[0.0], np.convolve(f, f), [0.0]])
    a, b = g[:-1], g[1:]
    return np.sum(a * a + a * b + b * b) / 3 / (g.sum() * g.max())


def ascend(root: np.ndarray, rounds: int) -> np.ndarray:
    """Return the square root of the best heights seen."""
    n = len(root)
    size = 1 << (2 * n - 1).bit_length()
    mean, spread, best, most = np.zeros(n), np.zeros(n), root, 0.0
    for k in range(rounds):
        share = k / rounds
        f = root * root
        f /= f.sum()
        transform = np.fft.rfft(f, size)
        curve = np.fft.irfft(transform * transform, size)[: 2 * n - 1]
        ahead, behind = np.append(curve[1:], 0.0), np.append(0.0, curve[:-1])
        square = (curve @ (2 * curve + (ahead + behind) / 2)) / 3
        peak = curve.max()
        if square / peak > most:
            best, most = root.copy(), square / peak
        weights = np.exp((curve / peak - 1) * 100 * 50**share)
        weights /= weights.sum()
        # d log(square / peak) / d curve, through the chain to f and to its root
        toward = (4 * curve + ahead + behind) / (3 * square) - weights / (weights @ curve)
        pull = 2 * np.fft.irfft(np.fft.rfft(toward, size) * np.conj(transform), size)[:n]
        slope = (pull - pull @ f) * 2 * root / (root @ root)
        mean, spread = 0.9 * mean + 0.1 * slope, 0.999 * spread + 0.001 * slope**2
        step = 0.02 * 0.005**share
        root = root + step * (mean / (1 - 0.9 ** (k + 1))) / (np.sqrt(spread / (1 - 0.999 ** (k + 1))) + 1e-12)
    return best
