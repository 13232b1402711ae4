"""SparseSwaps: the best pair of a kept and a pruned entry is swapped until none gains (Zimmer et al., arXiv 2512.10922).

The change of the error by a swap is exact, from the Gram matrix; row after row, most lossy first, as far as the time goes. From
the abstract and the identity that it rests on, not from its code.
"""

import time

import numpy as np


def improve_mask(weight: np.ndarray, gram: np.ndarray, mask: np.ndarray, deadline: float) -> np.ndarray:
    """Swap in each row until it is a local optimum."""
    start = time.process_time()
    mask = mask.copy()
    lost = (weight * ~mask) @ gram
    errors = (lost * weight * ~mask).sum(axis=1)
    for row in np.argsort(-errors):
        w, c, total = weight[row], lost[row], errors[row]
        own = np.square(w) * gram.diagonal()
        while time.process_time() - start < 0.9 * deadline:
            kept, pruned = np.flatnonzero(mask[row]), np.flatnonzero(~mask[row])
            change = gram[np.ix_(kept, pruned)] * (-2 * w[kept, None] * w[pruned])
            change += (own + 2 * w * c)[kept, None]
            change += (own - 2 * w * c)[pruned]
            i, j = divmod(int(change.argmin()), pruned.size)
            if change[i, j] > -1e-6 * total:
                break
            p, q = kept[i], pruned[j]
            mask[row, p], mask[row, q] = False, True
            c = c + w[p] * gram[p] - w[q] * gram[q]
    return mask
