"""Statistics that judges of tasks need: is one better than another on the same seeds, and do two measures order alike.

The interval is the one that races and champions are decided by, `evolve.racing`; here are the rank correlations beside it.
NumPy alone: none of the tasks' candidates sees this, and SciPy need not be there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evolve.racing import Lead, lead

__all__ = ["Lead", "kendall", "lead", "ranks", "spearman"]


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return the rank of each value from 1, equal ones sharing the mean of theirs."""
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return shared


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Return Spearman's rank correlation in [-1, 1]: Pearson's of the ranks; 0 where one of both is constant.

    Raises:
        ValueError: if they are not two series of equal length.
    """
    x, y = _series(a, b)
    x, y = ranks(x), ranks(y)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip((x @ y) / scale, -1.0, 1.0)) if scale > 0.0 else 0.0


def kendall(a: ArrayLike, b: ArrayLike) -> float:
    """Return Kendall's tau-b in [-1, 1]: the share of pairs ordered alike minus that ordered otherwise, ties left out of
    both (Kendall, "The treatment of ties in ranking problems", 1945); 0 where one is constant. Quadratic in the length.

    Raises:
        ValueError: if they are not two series of equal length.
    """
    x, y = _series(a, b)
    upper = np.triu_indices(len(x), 1)
    p, q = (np.sign(series[:, None] - series[None, :])[upper] for series in (x, y))
    scale = float(np.sqrt(np.abs(p).sum() * np.abs(q).sum()))
    return float((p * q).sum()) / scale if scale > 0.0 else 0.0


def _series(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"expected two series of equal length, not of shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a number that is not finite has no rank")
    return x, y
