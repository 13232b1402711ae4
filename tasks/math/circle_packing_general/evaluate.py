"""Judges a packer of circles on several numbers of them: exact packings, as a share of the best known sum of radii.

`evolve.kit.packing` certifies each packing with tolerance 0. The numbers of circles that `validate` asks for are in no prompt.
"""

from __future__ import annotations

from evolve import Candidate, Invalid, Result
from evolve.kit import packing

BEST = {
    20: 2.3011228344978405,
    23: 2.478013611962838,
    24: 2.5303115869706483,
    26: 2.63598308491754,
    28: 2.737739985531551,
    29: 2.7903441546253642,
    32: 2.9395727712056723,
}
"""Sums of radii by sequential linear programming, certified by the same rule: see README.md."""
SHOWN, HIDDEN = (20, 24, 28), (23, 26, 29, 32)
QUICK, FULL = 0.5, 2.5
"""The `deadline` of a screen and of an evaluation, in seconds for each packing."""
PATIENCE = 6.0
"""How many times as long a call may take on a machine that is busy, before it is ended."""


def screen(candidate: Candidate) -> float:
    """Return the share of the best known sum for the fewest circles, in little time."""
    return share(candidate, SHOWN[0], 0, QUICK)[0]


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Return the mean share of the best known sums."""
    return score(candidate, SHOWN, seed)


def validate(candidate: Candidate) -> Result:
    """The same for numbers of circles that the candidate has not been judged on."""
    return score(candidate, HIDDEN, 0)


def score(candidate: Candidate, sizes: tuple[int, ...], seed: int) -> Result:
    """Return the mean share over `sizes`, and what is to be said of the weakest of the packings."""
    found = {n: share(candidate, n, seed, FULL) for n in sizes}
    weakest = min(found, key=lambda n: found[n][0])
    shares = "; ".join(f"n = {n}: {packing.total(circles):.9g}, {part:.7f}" for n, (part, circles) in found.items())
    why = packing.describe(found[weakest][1])
    feedback = f"sum of radii and share of the best known: {shares}. Weakest, n = {weakest}: {why}"
    metrics = {f"share_{n}": part for n, (part, _) in found.items()}
    mean = sum(part for part, _ in found.values()) / len(found)
    return Result(mean, metrics, feedback, {f"packing_{weakest}.svg": packing.draw(found[weakest][1])})


def share(candidate: Candidate, n: int, seed: int, deadline: float) -> tuple[float, list[packing.Circle]]:
    """Return the candidate's certified sum as a share of the best known one, and the packing."""
    reply = candidate.call("pack", n, seed, deadline, timeout=PATIENCE * deadline + 1.0)
    try:
        circles, _ = packing.certify(packing.read(reply, n))
    except Invalid as refusal:
        raise Invalid(f"n = {n}: {refusal}") from None
    return packing.total(circles) / BEST[n], circles
