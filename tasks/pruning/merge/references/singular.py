"""Task singular vectors: of each delta's matrices the leading singular vectors, those of all tasks made orthogonal to each
other.

Gargiulo, Crisostomi, Bucarelli, Scardapane, Silvestri and Rodola, "Task Singular Vectors: Reducing Task Interference in Model
Merging" (arXiv 2412.00081), TSV-Merge: rank 1/K of each, whitened by the Procrustes solution U V' of the joined bases. From
memory.
"""

import numpy as np

Weights = dict[str, np.ndarray]


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    return {name: joined([delta[name] for delta in deltas]) for name in base}


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Merge one array of all tasks."""
    if parts[0].ndim != 2:
        return sum(parts) / len(parts)
    rank = max(1, min(parts[0].shape) // len(parts))
    cut = [np.linalg.svd(part, full_matrices=False) for part in parts]
    left = nearest(np.concatenate([u[:, :rank] for u, _, _ in cut], 1))
    right = nearest(np.concatenate([v[:rank] for _, _, v in cut], 0))
    return (left * np.concatenate([s[:rank] for _, s, _ in cut])) @ right


def nearest(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix with orthonormal columns or rows that is nearest."""
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return u @ v
