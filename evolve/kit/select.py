"""Which entries go: exactly k of them, the least important first, of equal ones the first first.

A threshold would not do: where scores tie (a 4-bit weight times a norm often does, a constant always), ``score > kth`` prunes
more than k, and programs would be compared at different sparsities. What is selected here is what a stable sort would put
first, found by a partition instead, which is linear in the size. NumPy alone, so that harness and judge can share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

SCOPES = ("row", "layer", "global")
"""Where scores compete: within each row of a matrix, within a matrix, or across all matrices."""

Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]


def count(n: int, sparsity: float) -> int:
    """Return how many of ``n`` entries go at ``sparsity`` in [0, 1]: the nearest whole number, half upwards.

    Raises:
        ValueError: for a sparsity outside [0, 1].
    """
    if not 0.0 <= sparsity <= 1.0:
        raise ValueError(f"a sparsity is in [0, 1], not {sparsity}")
    return int(n * sparsity + 0.5)


def lowest(scores: Scores, k: int) -> Mask:
    """Mark the ``k`` lowest along the last axis: True for what goes, exactly ``k`` in each row.

    Args:
        scores: any shape but (); NaN, which has no order, is refused, infinities are as good as any number.
        k: from 0 to the length of the last axis.

    Raises:
        ValueError: for NaN, or another ``k``.
    """
    n = scores.shape[-1]
    if not 0 <= k <= n:
        raise ValueError(f"cannot select {k} of {n}")
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN")
    if k in (0, n):
        return np.full(scores.shape, k == n)
    # The k-th lowest: all below it go, and some equal to it.
    last = np.partition(scores, k - 1, axis=-1)[..., k - 1 : k]
    below, equal = scores < last, scores == last
    free = k - below.sum(axis=-1, keepdims=True)
    if (equal.sum(axis=-1, keepdims=True) > free).any():
        equal &= equal.cumsum(axis=-1, dtype=np.int64) <= free
    mask: Mask = below | equal
    return mask


def pruned(scores: Mapping[str, Scores], sparsity: float, scope: str) -> dict[str, Mask]:
    """Mark the least important share of each row, of each matrix, or of all matrices together.

    Args:
        scores: by name, in the order in which ties across matrices are broken; each (rows, columns).
        sparsity: the share that goes, in [0, 1]; rounded to a whole number of entries per row, per matrix or in all.
        scope: one of `SCOPES`.

    Returns:
        By name, True for what goes.

    Raises:
        ValueError: for another scope, or what `lowest` refuses.
    """
    if scope == "row":
        return {name: lowest(each, count(each.shape[-1], sparsity)) for name, each in scores.items()}
    if scope == "layer":
        return {name: _flat(each, count(each.size, sparsity)) for name, each in scores.items()}
    if scope != "global":
        raise ValueError(f"the scope is one of {', '.join(SCOPES)}, not {scope!r:.40}")
    whole = np.concatenate([each.ravel() for each in scores.values()])
    mask = lowest(whole, count(whole.size, sparsity))
    ends = np.cumsum([each.size for each in scores.values()])[:-1]
    parts = np.split(mask, ends)
    return {name: part.reshape(each.shape) for (name, each), part in zip(scores.items(), parts, strict=True)}


def fingerprint(masks: Iterable[Mask]) -> str:
    """Return what two programs have in common if and only if they select the same entries: the SHA-256 of the masks' bits."""
    total = hashlib.sha256()
    for mask in masks:
        total.update(np.packbits(mask).tobytes())
    return total.hexdigest()


def mark(masks: Iterable[Mask]) -> int:
    """Return the first 48 bits of the fingerprint, which a metric holds exactly."""
    return int(fingerprint(masks)[:12], 16)


def _flat(scores: Scores, k: int) -> Mask:
    return lowest(scores.reshape(-1), k).reshape(scores.shape)
