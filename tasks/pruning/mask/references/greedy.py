"""Greedy swaps: bring back the pruned entry that helps most, then prune the kept one that then hurts least, while that gains.

Both terms are exact, but the pair is chosen one after the other; the criterion of DSnoT (Zhang et al., arXiv 2310.08915, from
memory) with the true error in place of its expected change.
"""

import time

import numpy as np


def improve_mask(weight: np.ndarray, gram: np.ndarray, mask: np.ndarray, deadline: float) -> np.ndarray:
    """Swap in all rows at once until none gains."""
    start = time.process_time()
    mask = mask.copy()
    own = np.square(weight) * gram.diagonal()  # what an entry loses by itself
    lost = (weight * ~mask) @ gram  # c = G d of each row
    active = np.arange(len(weight))
    while active.size and time.process_time() - start < 0.9 * deadline:
        w, c = weight[active], lost[active]
        rows = np.arange(active.size)
        back = np.argmin(np.where(mask[active], np.inf, own[active] - 2 * w * c), axis=1)
        gain = own[active, back] - 2 * w[rows, back] * c[rows, back]
        c = c - w[rows, back][:, None] * gram[back]
        cost = np.where(mask[active], own[active] + 2 * w * c, np.inf)
        gone = np.argmin(cost, axis=1)
        better = gain + cost[rows, gone] < -1e-7 * own[active].sum(axis=1)
        rows, active, back, gone = rows[better], active[better], back[better], gone[better]
        mask[active, back], mask[active, gone] = True, False
        lost[active] = c[rows] + weight[active, gone][:, None] * gram[gone]
    return mask
