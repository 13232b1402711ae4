"""Sequential linear programming on the overlaps of a symmetric step function, from a coarse grid to a finer one.

Own program; step functions by optimisation are Haugland's (arXiv 1609.08000, 51 symmetric steps; from its abstract).
"""

import numpy as np
from scipy.optimize import linprog


def values() -> np.ndarray:
    """Return the values of a step function on [-1, 1] with the mean 1/2."""
    rng = np.random.default_rng(1)
    starts = [improve(start(rng, 20), 25) for _ in range(12)]
    half = min(starts, key=lambda found: overlap(found).max())
    for steps, rounds in ((20, 60), (40, 60), (80, 40), (160, 15)):
        half = improve(np.repeat(half, steps // len(half)), rounds)
    f = np.r_[half[::-1], half]
    return np.clip(f + (0.5 - f.mean()), 0, 1)


def start(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Return a right half that falls, with noise."""
    half = np.clip(1 - np.linspace(0, 1, steps) ** rng.uniform(0.5, 3) + 0.2 * rng.normal(size=steps), 0, 1)
    return half / 2 / half.mean() if half.mean() > 0.5 else 1 - (1 - half) / 2 / (1 - half).mean()


def improve(half: np.ndarray, rounds: int) -> np.ndarray:
    """Return the right half after at most so many linear programs, each within a trust region that follows its success."""
    m = len(half)
    n, trust = 2 * m, 0.1
    best = overlap(half).max()
    for _ in range(rounds):
        f = np.r_[half[::-1], half]
        g = 1 - f
        now = overlap(half)
        # d/df_i of sum f_i g_(i+k): g_(i+k) - f_(i-k), both 0 outside; shifts k >= 0 suffice for a symmetric f
        shift = np.arange(n)[None] + np.arange(n)[:, None]
        back = np.arange(n)[None] - np.arange(n)[:, None]
        slope = np.where(shift < n, g[np.minimum(shift, n - 1)], 0) - np.where(back >= 0, f[np.maximum(back, 0)], 0)
        slope = (slope[:, m:] + slope[:, m - 1 :: -1]) * 2 / n
        matrix = np.c_[slope, -np.ones(n)]
        bounds = [*zip(np.maximum(half - trust, 0), np.minimum(half + trust, 1), strict=True), (0, 1)]
        solution = linprog(
            np.r_[np.zeros(m), 1.0],
            A_ub=matrix,
            b_ub=slope @ half - now,
            A_eq=[np.r_[np.ones(m), 0.0]],
            b_eq=[m / 2],
            bounds=bounds,
            method="highs",
        ).x
        if solution is None:
            break
        trial = np.clip(solution[:m], 0, 1)
        value = overlap(trial).max()
        if value < best:
            half, best, trust = trial, value, min(1.5 * trust, 0.2)
        else:
            trust /= 3
        if trust < 1e-7:
            break
    return half


def overlap(half: np.ndarray) -> np.ndarray:
    """Return the overlap at the shifts 0, 1, ... steps."""
    f = np.r_[half[::-1], half]
    return np.correlate(1 - f, f, "full")[len(f) - 1 :] * 2 / len(f)
