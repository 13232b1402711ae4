"""Least interference: the matrix that acts on the inputs of each task as that task's own delta does, in least squares.

Cheng et al., "Whoever Started the Interference Should End It: Guiding Data-Free Model Merging via Task Vectors" (arXiv
2503.08099): a layer's delta is made of its inputs, so its rows stand for them, and sum_k |(M - D_k) D_k'|^2 / |D_k|^2 is to be
small. They descend its gradient; here it is solved, M sum_k G_k = sum_k D_k G_k with G_k = D_k' D_k / |D_k|^2 and a ridge,
which is RegMean (arXiv 2212.09849) with these G_k in the place of the inputs' moments. The loss is from memory, the solution
our own.
"""

import numpy as np

Weights = dict[str, np.ndarray]

RIDGE = 0.02


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    return {name: solved([delta[name].astype(float) for delta in deltas]) for name in base}


def solved(parts: list[np.ndarray]) -> np.ndarray:
    """Merge one array of all tasks."""
    mean = sum(parts) / len(parts)
    if mean.ndim != 2:
        return mean
    grams = [part.T @ part / np.square(part).sum() for part in parts]
    ridge = RIDGE * len(parts) / mean.shape[1] * np.eye(mean.shape[1])
    target = sum(part @ gram for part, gram in zip(parts, grams, strict=True)) + mean @ ridge
    return np.linalg.solve(sum(grams) + ridge, target.T).T
