"""The judge: draws the lines between the knots and says error and number apart."""

from __future__ import annotations

import math
from bisect import bisect_right

from evolve import Candidate, Invalid, Result

XS = [3 * i / 600 for i in range(601)]
MOST = 200


def evaluate(candidate: Candidate) -> Result:
    """Return the weighted sum, and both metrics: their directions in task.toml make the archive keep the Pareto front."""
    places = read(candidate.call("knots"))
    values = [curve(x) for x in places]
    errors = [line(places, values, x) - curve(x) for x in XS]
    error = math.sqrt(sum(one * one for one in errors) / len(errors))
    worst = max(range(len(XS)), key=lambda i: abs(errors[i]))
    feedback = f"{len(places)} knots, error {error:.4f}; the largest, {errors[worst]:+.3f}, is at x = {XS[worst]:.3f}"
    return Result(
        100 * error + len(places) / 2, {"error": error, "knots": len(places)}, feedback, {"curve.svg": draw(places)}
    )


def read(reply: object) -> list[float]:
    """Return the knots in order; what is not 2 to 200 different numbers in [0, 3] is refused."""
    if not isinstance(reply, list) or not 2 <= len(reply) <= MOST:
        raise Invalid(f"knots must return a list of 2 to {MOST} numbers")
    if not all(type(x) in (int, float) and 0 <= x <= 3 for x in reply) or len(set(reply)) != len(reply):
        raise Invalid("knots must be different numbers from 0 to 3")
    return sorted(map(float, reply))


def curve(x: float) -> float:
    """Return the curve that is to be described."""
    return math.sqrt(abs(math.sin(5 * x)))


def line(places: list[float], values: list[float], x: float) -> float:
    """Return the height of the lines at x."""
    at = bisect_right(places, x)
    if at in (0, len(places)):
        return values[0] if at == 0 else values[-1]
    share = (x - places[at - 1]) / (places[at] - places[at - 1])
    return values[at - 1] + share * (values[at] - values[at - 1])


def draw(places: list[float]) -> str:
    """Return a picture: the curve, and the lines over it."""
    whole = " ".join(f"{100 * x:.1f},{110 - 100 * curve(x):.1f}" for x in XS)
    lines = " ".join(f"{100 * x:.1f},{110 - 100 * curve(x):.1f}" for x in places)
    style = 'fill="none" stroke-width="1"'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-5 0 310 115" width="620" height="230">'
        f'<polyline points="{whole}" stroke="#bbb" {style}/><polyline points="{lines}" stroke="#1f5582" {style}/></svg>'
    )
