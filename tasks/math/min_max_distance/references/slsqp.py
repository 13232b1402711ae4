"""Sequential quadratic programming from many starts: all squared distances from 1 to t, t as small as can be. Own program."""

import numpy as np
from scipy.optimize import minimize

STARTS = 24


def points(n: int, dimensions: int) -> np.ndarray:
    """Return n points."""
    rng = np.random.default_rng(0)
    i, j = np.triu_indices(n, 1)
    best, least = None, np.inf
    for _ in range(STARTS):
        start = rng.normal(size=(n, dimensions)) * n ** (1 / dimensions) / 2
        found = solve(start, i, j)
        squares = ((found[i] - found[j]) ** 2).sum(axis=1)
        ratio = squares.max() / max(squares.min(), 1e-12)
        if ratio < least:
            best, least = found, ratio
    return best


def solve(start: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the points of a local optimum."""
    n, dimensions = start.shape
    pairs = np.arange(len(i))

    def gaps(v: np.ndarray) -> np.ndarray:
        apart = v[:-1].reshape(n, dimensions)
        squares = ((apart[i] - apart[j]) ** 2).sum(axis=1)
        return np.r_[squares - 1, v[-1] - squares]

    def slopes(v: np.ndarray) -> np.ndarray:
        x = v[:-1].reshape(n, dimensions)
        table = np.zeros((len(i), n, dimensions))
        table[pairs, i] = 2 * (x[i] - x[j])
        table[pairs, j] = -2 * (x[i] - x[j])
        flat = table.reshape(len(i), -1)
        return np.block([[flat, np.zeros((len(i), 1))], [-flat, np.ones((len(i), 1))]])

    cost = np.r_[np.zeros(start.size), 1.0]
    widest = ((start[i] - start[j]) ** 2).sum(axis=1).max()
    solution = minimize(
        lambda v: v[-1],
        np.r_[start.ravel(), widest],
        jac=lambda _: cost,
        constraints={"type": "ineq", "fun": gaps, "jac": slopes},
        method="SLSQP",
        options={"maxiter": 150, "ftol": 1e-14},
    ).x
    return solution[:-1].reshape(n, dimensions)
