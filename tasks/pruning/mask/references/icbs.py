"""Block coordinate descent as in iCBS (Rosenberg et al., arXiv 2411.17796): choose a block of weights, optimise its mask, repeat.

iCBS minimises a quadratic model of the network's loss over a small block at a time, all else fixed and the number of weights in
the block kept, by a combinatorial solver. Here the quadratic is exact (a layer's error), a block is the entries of a row nearest
to changing sides with some at random, and the solver is a tabu search of swaps. Written from the abstract.
"""

import time

import numpy as np

BLOCK, STEPS = 24, 12


def improve_mask(weight: np.ndarray, gram: np.ndarray, mask: np.ndarray, deadline: float) -> np.ndarray:
    """Optimise one block of each row after the other, all rows at once."""
    start = time.process_time()
    rng = np.random.default_rng(0)
    mask = mask.copy()
    own = np.square(weight) * gram.diagonal()
    while time.process_time() - start < 0.75 * deadline:
        lost = (weight * ~mask) @ gram
        price = own + np.where(mask, 2, -2) * weight * lost  # of changing sides alone
        price = price * rng.uniform(0.5, 1.5, price.shape)
        half = BLOCK // 2
        leave = np.argpartition(np.where(mask, price, np.inf), half, axis=1)[:, :half]
        enter = np.argpartition(np.where(mask, np.inf, price), half, axis=1)[:, :half]
        block = np.concatenate([leave, enter], axis=1)
        w = np.take_along_axis(weight, block, axis=1)
        inner = gram[block[:, :, None], block[:, None, :]] * w[:, :, None] * w[:, None, :]
        linear = 2 * w * np.take_along_axis(lost, block, axis=1)
        chosen = solve(inner, linear, np.arange(BLOCK) >= half)
        np.put_along_axis(mask, block, ~chosen, axis=1)
    return mask


def solve(inner: np.ndarray, linear: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Return which entries of each block go, as many as before: the least z'Az + z'(linear - 2 A z0) of a tabu search."""
    rows = np.arange(len(inner))
    state = np.tile(pruned, (len(inner), 1))
    field = linear - 2 * (inner @ pruned.astype(inner.dtype))  # what the rest of the row contributes
    best, lowest = state.copy(), np.zeros(len(inner))
    value, tabu = np.zeros(len(inner)), np.zeros(state.shape, dtype=int)
    diagonal = np.einsum("rii->ri", inner)
    for step in range(1, STEPS + 1):
        slope = field + 2 * np.einsum("rij,rj->ri", inner, state.astype(inner.dtype))
        back = np.where(state & (tabu < step), diagonal - slope, np.inf).argmin(axis=1)
        after = slope - 2 * inner[rows, back]
        cost = np.where(~state & (tabu < step), diagonal + after, np.inf)
        gone = cost.argmin(axis=1)
        value = value + (diagonal - slope)[rows, back] + cost[rows, gone]
        state[rows, back], state[rows, gone] = False, True
        tabu[rows, back], tabu[rows, gone] = step + 4, step + 4
        better = value < lowest
        best[better], lowest = state[better], np.minimum(lowest, value)
    return best
