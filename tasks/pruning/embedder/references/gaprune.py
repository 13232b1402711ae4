"""GAPrune's domain alignment importance (Tang and Yang, arXiv 2509.10844): (F_d |W| - β F_g |W|) (1 + 0.2 s) + γ sqrt(|W|).

s is the alignment of the gradients: the product of both unit gradients, smoothed 3 × 3, the factor kept in [0.8, 1.2]. The form
with β = 1 and γ = 0.5 is that of its authors' code; its softplus and sigmoid change no order. Whole matrices compete here (by
rows it scores 0.426), all matrices there. Fisher informations are scaled to mean 1, as their unit decides against γ: with that of
this loss, which is small, the order is almost that of magnitude.
"""

import numpy as np


def smoothed(values: np.ndarray) -> np.ndarray:
    """Return the mean of each entry and its neighbours."""
    padded = np.pad(values, 1)
    rows, columns = values.shape
    return sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    general, domain = stats["general"], stats["domain"]
    size = np.abs(weight)
    units = [side["gradient"] / (np.linalg.norm(side["gradient"]) + 1e-8) for side in (domain, general)]
    alignment = np.clip(1 + 0.2 * smoothed(units[0] * units[1]), 0.8, 1.2)
    mine, theirs = (side["fisher"] / side["fisher"].mean() for side in (domain, general))
    return (mine - theirs) * size * alignment + 0.5 * np.sqrt(size + 1e-8)


def scope() -> str:
    """Return where entries compete."""
    return "layer"
