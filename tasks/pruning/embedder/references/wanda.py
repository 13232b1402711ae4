"""Wanda: |W_ij| · ||X_j||₂, row by row (Sun et al., arXiv 2306.11695, equation 1), X being both kinds of text."""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    return np.abs(weight) * np.sqrt(stats["general"]["inputs"] + stats["domain"]["inputs"])


def scope() -> str:
    """Return where entries compete."""
    return "row"
