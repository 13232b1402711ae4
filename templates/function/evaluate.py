"""The judge: it runs outside the jail, holds the answers, and alone makes the score."""

from __future__ import annotations

import math

from evolve import Candidate, Invalid, Result

XS = [-2 + 4 * i / 80 for i in range(81)]
BETWEEN = [-2 + 4 * (i + 0.5) / 80 for i in range(80)]


def evaluate(candidate: Candidate) -> Result:
    """Call the candidate in its jail and score what comes back: plain data, to be checked like any input."""
    errors, predictions = squares(candidate, XS)
    worst = max(range(len(XS)), key=lambda i: errors[i])
    return Result(
        score=sum(errors) / len(errors),
        metrics={"worst": errors[worst]},
        feedback=f"the largest error is at x = {XS[worst]:.2f}: predicted {predictions[worst]:.3f}, not {answer(XS[worst]):.3f}",
    )


def validate(candidate: Candidate) -> float:
    """Score points that no candidate was asked for: one that remembers the others has nothing to say here."""
    errors, _ = squares(candidate, BETWEEN)
    return sum(errors) / len(errors)


def squares(candidate: Candidate, xs: list[float]) -> tuple[list[float], list[float]]:
    """Return the squared error at each x, and the predictions."""
    predictions = candidate.call("predict", xs)
    if not isinstance(predictions, list) or len(predictions) != len(xs):
        raise Invalid(f"predict must return a list of {len(xs)} numbers")
    if not all(isinstance(p, (int, float)) for p in predictions):
        raise Invalid("predict must return numbers")
    return [(p - answer(x)) ** 2 for p, x in zip(predictions, xs, strict=True)], predictions


def answer(x: float) -> float:
    """Return what is to be predicted."""
    return math.sin(3 * x) + x / 2
