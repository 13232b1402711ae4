"""A reference: the sine by Bhaskara's rational formula of the seventh century (from memory). No prompt shows this file."""

import math


def predict(xs):
    """Return a prediction for each x."""
    return [sine(3 * x) + x / 2 for x in xs]


def sine(t):
    """Return about sin(t)."""
    turns, t = divmod(t, math.pi)
    part = t * (math.pi - t)
    return (-1) ** int(turns) * 16 * part / (5 * math.pi**2 - 4 * part)
