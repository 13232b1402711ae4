"""Judges how flat a step function's autoconvolution is, exactly.

With n steps of height h_i, g = f*f is linear between the shifts where steps meet, with the values c_k = sum of h_i h_(k-i), in
units of a step's width, and 0 at both ends. So the integral of g² over one such piece from a to b is (a² + ab + b²) / 3, that
of g is the squared sum of the heights, and the largest value is max_k c_k. `evolve.kit.steps` computes in whole numbers.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from evolve import Candidate, Result
from evolve.kit import steps


def evaluate(candidate: Candidate) -> Result:
    """Return |f*f|_2² / (|f*f|_1 |f*f|_inf), a bound on the constant from below."""
    heights = steps.whole(steps.read(candidate.call("heights")))
    n, curve = len(heights), steps.convolve(heights, heights)
    peak, area = max(curve), sum(heights)
    square = sum(a * a + a * b + b * b for a, b in pairwise([0, *curve, 0]))
    score = float(Fraction(square, 3 * area * area * peak))
    low = sum(2 * value < peak for value in curve)
    feedback = (
        f"{n} steps, {sum(height == 0 for height in heights)} of them 0; of {len(curve)} shifts {steps.near(curve, 10)} come "
        f"within 1 % of the peak of f*f, and {low} lie below half of it: it is to be level where it is not 0, with steep sides"
    )
    curves = {"f, drawn twice as wide": heights, "f*f": curve}
    picture = steps.draw(curves, -0.5, 0.5, f"flatness of f*f: {score:.7f}")
    metrics = {"steps": n, "level": steps.near(curve, 10) / len(curve)}
    return Result(score, metrics, feedback, {"convolution.svg": picture})
