"""Basin hopping: a few points are put where triangles are large, then linear programs raise the smallest together.

Own program.
"""

import numpy as np
from scipy.optimize import linprog

HOPS, PATIENCE = 70, 30


def points(n: int) -> np.ndarray:
    """Return n points in the triangle x >= 0, y >= 0, x + y <= 1."""
    rng = np.random.default_rng(0)
    i, j, k = np.array([(a, b, c) for c in range(n) for b in range(c) for a in range(b)]).T
    best, most = None, 0.0
    current, value, stalled = None, 0.0, 0
    for _ in range(HOPS):
        if stalled > PATIENCE:
            current, value, stalled = None, 0.0, 0
        start = inside(rng.random((n, 2))) if current is None else current
        chosen = np.arange(n) if current is None else rng.choice(n, rng.integers(1, 4), replace=False)
        found = raised(moved(start, chosen, rng, i, j, k), i, j, k)
        smallest = np.abs(areas(found, i, j, k)).min()
        stalled += 1
        if smallest > value + 1e-9:
            current, value, stalled = found, smallest, 0
        if smallest > most:
            best, most = found, smallest
    return best


def moved(
    p: np.ndarray, chosen: np.ndarray, rng: np.random.Generator, i: np.ndarray, j: np.ndarray, k: np.ndarray
) -> np.ndarray:
    """Return points of which the chosen ones, in turn, are put at one of the best of some random places."""
    p = p.copy()
    for one in chosen:
        places = inside(rng.random((60, 2)))
        values = []
        for place in places:
            p[one] = place
            values.append(np.abs(areas(p, i, j, k)).min())
        p[one] = places[np.argsort(values)[-rng.integers(1, 5)]]
    return p


def areas(p: np.ndarray, i: np.ndarray, j: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return twice the signed area of each triangle."""
    a, b = p[j] - p[i], p[k] - p[i]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def inside(p: np.ndarray) -> np.ndarray:
    """Return points folded back into the triangle."""
    p = np.clip(p, 0, 1)
    out = p.sum(axis=1) > 1
    p[out] = 1 - p[out, ::-1]
    return p


def raised(p: np.ndarray, i: np.ndarray, j: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return points after linear programs: each triangle keeps its side of 0 and is linear in small moves."""
    n, trust = len(p), 0.05
    rows = np.arange(len(i))
    for _ in range(40):
        now = areas(p, i, j, k)
        sign = np.where(now < 0, -1.0, 1.0)
        slope = np.zeros((len(i), n, 2))
        for corner, one, other in ((i, j, k), (j, k, i), (k, i, j)):
            slope[rows, corner] += np.c_[p[one, 1] - p[other, 1], p[other, 0] - p[one, 0]]
        slope = slope.reshape(len(i), -1) * sign[:, None]
        flat = p.ravel()
        together = np.kron(np.eye(n), np.ones((1, 2)))
        solution = linprog(
            np.r_[np.zeros(2 * n), -1.0],
            A_ub=np.block([[-slope, np.ones((len(i), 1))], [together, np.zeros((n, 1))]]),
            b_ub=np.r_[now * sign, 1 - p.sum(axis=1)],
            bounds=[*zip(np.maximum(-trust, -flat), np.full(2 * n, trust), strict=True), (0, 1)],
            method="highs",
        ).x
        if solution is None:
            break
        trial = p + solution[: 2 * n].reshape(n, 2)
        if np.abs(areas(trial, i, j, k)).min() > np.abs(now).min():
            p, trust = trial, min(1.5 * trust, 0.05)
        else:
            trust /= 4
        if trust < 1e-9:
            break
    return p
