"""The given mask: Wanda's (Sun et al., arXiv 2306.11695, equation 1), unchanged."""

import numpy as np


def improve_mask(weight: np.ndarray, gram: np.ndarray, mask: np.ndarray, deadline: float) -> np.ndarray:
    """Return the mask as it is."""
    return mask
