"""Trains in the jail, next to the candidate, which it imports as `program`. It is trusted for nothing: a candidate can change
what it does, so it is given no label of the points that are scored, and what it returns is checked like any input.
"""

import numpy as np
import program

RIDGE = 1e-3


def train(points, labels, new):
    """Return predictions for the points ``new``, from features of the candidate's and a ridge regression on ``labels``."""
    known, asked = np.asarray(program.features(points), float), np.asarray(program.features(new), float)
    middle, scale = known.mean(axis=0), known.std(axis=0) + 1e-9
    known, asked = ((part - middle) / scale for part in (known, asked))
    known, asked = (np.concatenate([part, np.ones((len(part), 1))], axis=1) for part in (known, asked))
    weights = np.linalg.solve(known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ labels)
    return known.shape[1] - 1, asked @ weights
