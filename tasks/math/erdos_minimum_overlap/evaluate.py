"""Judges the largest overlap of a step function with its complement under translation, exactly.

f has n steps with values from 0 to 1 on [-1, 1] and the integral 1, and g = 1 - f there. The overlap, the integral of
f(t) g(t + x), is linear in x between the shifts where steps meet, so its maximum is (2 / n) max_k of the sum of f_i g_(i+k).

Floats rarely sum to exactly n / 2. What is judged is a function whose values are multiples of 2^-52 that do: the candidate's,
rounded, with what is missing or too much, at most `CLOSE` for each step, put where there is room, from the first step on.
"""

from __future__ import annotations

from fractions import Fraction

from evolve import Candidate, Invalid, Result
from evolve.kit import steps

ONE = 1 << steps.BITS
CLOSE = 1e-9


def evaluate(candidate: Candidate) -> Result:
    """Return the largest overlap, a bound on the constant from above."""
    values = steps.read(candidate.call("values"), "values")
    for i, value in enumerate(values):
        if value > 1:
            raise Invalid(f"values[{i}] is {value!r}; they must lie between 0 and 1")
    kept = balanced(values)
    n, curve = len(kept), steps.convolve(kept, [ONE - value for value in reversed(kept)])
    score = float(Fraction(2 * max(curve), n * ONE * ONE))
    where = n - 1 - curve.index(max(curve))
    near = steps.near(curve)
    feedback = (
        f"{n} steps; the overlap is largest at x = {2 * where / n:+.4f}; {near} of {len(curve)} shifts come within 0.1 % of it: "
        "a better function is level over more of them"
    )
    curves = {"f, drawn twice as wide": kept, "overlap": curve}
    picture = steps.draw(curves, -2, 2, f"largest overlap: {score:.8f}")
    return Result(score, {"steps": n, "level": near / len(curve)}, feedback, {"overlap.svg": picture})


def balanced(values: list[float]) -> list[int]:
    """Return the values as multiples of 1 / `ONE` whose mean is exactly a half.

    Raises:
        Invalid: if they are not close to that.
    """
    whole = [round(value * ONE) for value in values]
    missing = len(whole) * ONE // 2 - sum(whole)
    if abs(missing) > CLOSE * ONE * len(whole):
        mean = sum(whole) / ONE / len(whole)
        raise Invalid(
            f"the values must have the mean 1/2, up to {CLOSE:g}, so that f has the integral 1; it is {mean!r}"
        )
    for i, value in enumerate(whole):
        change = max(-value, min(ONE - value, missing))
        whole[i] += change
        missing -= change
    return whole
