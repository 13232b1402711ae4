"""Judges a step function's autoconvolution: its peak against the square of its integral, exactly.

With n steps of height h_i on [-1/4, 1/4], f*f is piecewise linear between the shifts where steps meet, so its peak is
(1 / 2n) max_k c_k with c_k = sum of h_i h_(k-i), and the integral of f is (1 / 2n) sum of h_i. `evolve.kit.steps` computes
in whole numbers.
"""

from __future__ import annotations

from fractions import Fraction

from evolve import Candidate, Result
from evolve.kit import steps


def evaluate(candidate: Candidate) -> Result:
    """Return max f*f / (integral of f)², a bound on the constant from above."""
    heights = steps.whole(steps.read(candidate.call("heights")))
    n, curve = len(heights), steps.convolve(heights, heights)
    peak, area = max(curve), sum(heights)
    score = float(Fraction(2 * n * peak, area * area))
    near = steps.near(curve)
    where = curve.index(peak)
    feedback = (
        f"{n} steps, {sum(height == 0 for height in heights)} of them 0; f*f peaks at t = {(where + 1) / (2 * n) - 0.5:+.4f}; "
        f"{near} of {len(curve)} shifts come within 0.1 % of the peak: a better function is level over more of them"
    )
    curves = {"f, drawn twice as wide": heights, "f*f": curve}
    picture = steps.draw(curves, -0.5, 0.5, f"peak of f*f over the squared integral: {score:.7f}")
    return Result(score, {"steps": n, "level": near / len(curve)}, feedback, {"convolution.svg": picture})
