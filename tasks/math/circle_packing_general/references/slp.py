"""Sequential linear programming with basin hopping, for any number of circles.

A distance is a convex function of the centres, so its tangent lies below it: whoever keeps r_i + r_j below the tangent keeps
it below the distance. Each linear program therefore gives a valid packing, and the sum of radii never falls. Once it stands
still, some circles are put where there is room, or all are shaken. It counts its climbs, so that it returns the same where it
is fast enough, and looks at the clock for the rest. Own program.
"""

import time

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

CLIMBS = 500
"""Times seconds and over circles: about half of what a processor of 2026 manages."""
Packing = tuple[np.ndarray, np.ndarray]
"""Centres and radii."""


def pack(n: int, seed: int, deadline: float) -> Packing:
    """Return n centres and n radii."""
    end = time.process_time() + 0.9 * deadline
    rng = np.random.default_rng(seed)
    solver = Solver(n, end)
    best = current = None
    stalled = 0
    for climb in range(int(CLIMBS * deadline / n)):
        if climb and time.process_time() > end:
            break
        if current is None or stalled > 40:
            start, current, stalled = rng.random((n, 2)), None, 0
        else:
            start = perturbed(current[0], current[1], rng)
        found = solver.climb(start, 25, 1e-7)
        if current is None or found[1].sum() > current[1].sum() + 1e-7:
            current, stalled = found, 0
        else:
            stalled += 1
        if best is None or current[1].sum() > best[1].sum():
            best = current
    solver.end = end + 0.1 * deadline
    polished = solver.climb(best[0], 100, 1e-14, 0.01)
    return max(best, polished, key=lambda packing: packing[1].sum())


def perturbed(centres: np.ndarray, radii: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return centres with one to three circles, small ones rather, put elsewhere, or all of them shaken."""
    centres = centres.copy()
    if rng.random() < 0.6:
        weights = 1 / (radii + 0.02)
        for i in rng.choice(len(radii), rng.integers(1, 4), replace=False, p=weights / weights.sum()):
            places = rng.random((150, 2))
            room = np.min(np.linalg.norm(places[:, None] - centres[None], axis=2) - radii, axis=1)
            room = np.minimum(room, np.minimum(places, 1 - places).min(axis=1))
            centres[i] = places[np.argsort(-room)[rng.integers(6)]]
    else:
        centres += rng.normal(0, rng.choice([0.02, 0.04, 0.07]), centres.shape)
    return np.clip(centres, 0.01, 0.99)


class Solver:
    """The linear programs for n circles: variables x, y, r of all; the rows of pairs change, those of the sides do not."""

    def __init__(self, n: int, end: float) -> None:
        self.n, self.end = n, end
        self.i, self.j = np.triu_indices(n, 1)
        one = np.arange(n)
        rows = np.repeat(np.arange(4 * n), 2)
        columns = np.concatenate([np.c_[axis * n + one, 2 * n + one].ravel() for axis in (0, 1, 0, 1)])
        signs = np.concatenate([np.tile([-1.0, 1.0], 2 * n), np.tile([1.0, 1.0], 2 * n)])
        self.sides = rows, columns, signs
        self.cost = np.r_[np.zeros(2 * n), -np.ones(n)]

    def climb(self, centres: np.ndarray, most: int, least: float, trust: float = 0.15) -> Packing:
        """Return centres and radii after at most `most` programs, each within `trust` of the last."""
        found, last = (centres, np.zeros(self.n)), -1.0
        for _ in range(most):
            solution = self.solve(found[0], trust)
            if solution is None:
                break
            found = solution
            value = found[1].sum()
            if value - last < least or time.process_time() > self.end:
                break
            if value - last < 1e-4:
                trust = max(0.7 * trust, 0.002)
            last = value
        return found

    def solve(self, centres: np.ndarray, trust: float) -> Packing | None:
        """Return the best centres and radii within `trust` of the given centres, as far as tangents tell."""
        n = self.n
        apart = centres[self.i] - centres[self.j]
        distance = np.maximum(np.linalg.norm(apart, axis=1), 1e-9)
        near = np.flatnonzero(distance < 0.62)
        i, j, unit = self.i[near], self.j[near], apart[near] / distance[near, None]
        rows = np.repeat(np.arange(len(near)), 6)
        columns = np.c_[i, j, n + i, n + j, 2 * n + i, 2 * n + j].ravel()
        one = np.ones(len(near))
        values = np.c_[-unit[:, 0], unit[:, 0], -unit[:, 1], unit[:, 1], one, one].ravel()
        side_rows, side_columns, side_values = self.sides
        matrix = csr_matrix(
            (
                np.r_[values, side_values],
                (np.r_[rows, len(near) + side_rows], np.r_[columns, side_columns]),
            ),
            shape=(len(near) + 4 * n, 3 * n),
        )
        limits = np.r_[np.zeros(len(near) + 2 * n), np.ones(2 * n)]
        flat = centres.T.ravel()
        bounds = np.r_[
            np.c_[np.maximum(flat - trust, 0), np.minimum(flat + trust, 1)], np.c_[np.zeros(n), np.full(n, 0.5)]
        ]
        solution = linprog(self.cost, A_ub=matrix, b_ub=limits, bounds=bounds, method="highs-ds").x
        return None if solution is None else (solution[: 2 * n].reshape(2, n).T.copy(), solution[2 * n :])
