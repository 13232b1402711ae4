"""DARE: drop entries of each delta at random, scale up the rest, and average.

Yu, Yu, Yu, Huang and Li, "Language Models are Super Mario: Absorbing Abilities from Homologous Models as a Free Lunch" (arXiv
2311.03099), section 3.2. From memory; dropped is half.
"""

import numpy as np

Weights = dict[str, np.ndarray]

DROP = 0.5


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    rng = np.random.default_rng(0)
    return {
        name: sum(delta[name] * (rng.random(delta[name].shape) >= DROP) / (1 - DROP) for delta in deltas) / len(deltas)
        for name in base
    }
