"""Matolcsi and Vinuesa's iteration of linear programs, arXiv 0907.1379 (from memory: the idea, not their code).

For a fixed f with sum f = 1, the function g with the largest sum among those with max f*g <= max f*f is found by a linear
program. A small step from f towards g / sum g then lowers the peak of f*f: to first order, (1 - t) f + t g has the peak of
f*f and a larger sum.
"""

import numpy as np
from scipy.linalg import toeplitz
from scipy.optimize import linprog

STEPS, STARTS, PROGRAMS = 100, 3, 120


def heights() -> np.ndarray:
    """Return the heights of a step function on [-1/4, 1/4]."""
    rng = np.random.default_rng(0)
    found = [improved(rng.random(STEPS)) for _ in range(STARTS)]
    return min(found, key=lambda f: np.convolve(f, f).max())


def improved(f: np.ndarray) -> np.ndarray:
    """Return a function with the sum 1 and a lower peak, from which no step is found, or after `PROGRAMS` of them."""
    f = f / f.sum()
    for _ in range(PROGRAMS):
        peak = np.convolve(f, f).max()
        matrix = toeplitz(np.r_[f, np.zeros(STEPS - 1)], np.r_[f[0], np.zeros(STEPS - 1)])
        g = linprog(-np.ones(STEPS), A_ub=matrix, b_ub=np.full(2 * STEPS - 1, peak), method="highs").x
        g = np.maximum(g, 0) / np.maximum(g, 0).sum()
        trials = [(1 - t) * f + t * g for t in 0.5 ** np.arange(1, 16)]
        best = min(trials, key=lambda trial: np.convolve(trial, trial).max())
        if np.convolve(best, best).max() >= peak * (1 - 1e-9):
            break
        f = best
    return f
