"""The Pareto front of many programs: those that no other beats on one objective without losing on another.

The archive's view `pareto` says the same to whoever asks in SQL, and compares pairs; this takes a hundred thousand programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]
Mask = NDArray[np.bool_]


def front(rows: Sequence[Mapping[str, float]], objectives: Mapping[str, str]) -> list[int]:
    """Return the places of the rows on the front, in order.

    A row without a number for an objective is worse there than any with one. Rows that are equal in all objectives are on the
    front together, or not at all. Two objectives take O(n log n); more take about n times as many steps as there are rows on the
    front, which is quick unless thousands of rows are on it.

    Args:
        rows: numbers by the names of the objectives; others do not matter.
        objectives: which way each is better, ``maximize`` or ``minimize``.
    """
    if not rows or not objectives:
        return []
    ranks = np.stack([_ranks([row.get(name) for row in rows], wanted) for name, wanted in objectives.items()], axis=1)
    on = _of_two(ranks) if ranks.shape[1] == 2 else _of_many(ranks)
    return [int(place) for place in np.flatnonzero(on)]


def stairs(points: Sequence[tuple[float, float]], x: str, y: str) -> list[tuple[float, float]]:
    """Return the edge of what a front reaches, from left to right: its points, and between two of them the corner that both
    beat.
    """
    ordered = sorted(set(points))
    found = ordered[:1]
    worse_x, worse_y = (min if way == "maximize" else max for way in (x, y))
    for before, after in pairwise(ordered):
        found += [(worse_x(before[0], after[0]), worse_y(before[1], after[1])), after]
    return found


def _ranks(values: Sequence[float | None], wanted: str) -> Ranks:
    """Return what stands for each value: larger where better, equal where equal, -1 where there is none."""
    given = np.array([np.nan if value is None else value for value in values])
    known = ~np.isnan(given)
    found = np.full(len(given), -1, dtype=np.int64)
    found[known] = np.unique(given[known] if wanted == "maximize" else -given[known], return_inverse=True)[1]
    return found


def _of_two(ranks: Ranks) -> Mask:
    """Return which rows of two ranks are on the front: from the best to the worst in the first, those that are better in the
    second than all before.
    """
    both = ranks[:, 0] * (len(ranks) + 2) + ranks[:, 1]
    _, points, place_of = np.unique(both, return_index=True, return_inverse=True)
    second = ranks[points, 1][::-1]  # `unique` sorts: by the first, then by the second
    before = np.maximum.accumulate(np.concatenate(([-2], second[:-1])))
    on: Mask = (second > before)[::-1]
    return on[place_of]


def _of_many(ranks: Ranks) -> Mask:
    """Return which rows of any number of ranks are on the front."""
    on = np.zeros(len(ranks), dtype=bool)
    places = np.argsort(-ranks.sum(axis=1), kind="stable")  # what beats a row has a larger sum, so it comes before
    points = ranks[places]
    while len(places):
        on[places[(points == points[0]).all(axis=1)]] = True
        left = (points > points[0]).any(axis=1)
        places, points = places[left], points[left]
    return on
