"""GAPrune's signals for a goal that counts both kinds of text: (F_d + F_g / 2) W² (1 + 0.2 s).

Our reading of its abstract (arXiv 2509.10844), where Fisher informations are added, not subtracted; s is the smaller of the two
gradients over the larger one, negative where their signs differ. Rows compete: among whole matrices it collapses, 0.207.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    general, domain = stats["general"], stats["domain"]
    a, b = domain["gradient"], general["gradient"]
    alignment = np.sign(a * b) * np.minimum(abs(a), abs(b)) / (np.maximum(abs(a), abs(b)) + 1e-12)
    return (domain["fisher"] + 0.5 * general["fisher"]) * np.square(weight) * (1 + 0.2 * alignment)


def scope() -> str:
    """Return where entries compete."""
    return "row"
