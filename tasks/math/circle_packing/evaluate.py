"""Judges a packing of 26 circles in the unit square in exact arithmetic, with tolerance 0: see `evolve.kit.packing`."""

from __future__ import annotations

from evolve import Candidate, Result
from evolve.kit import packing

N = 26


def evaluate(candidate: Candidate) -> Result:
    """Return the certified sum of the radii, with what binds and a picture."""
    certified, shrunk = packing.certify(packing.read(candidate.call("pack", N), N))
    gaps = packing.constraints(certified)
    metrics = {
        "slack": gaps[0][0],
        "binding": sum(gap < 1e-6 for gap, _ in gaps),
        "smallest": min(radius for _, _, radius in certified),
        "shrunk": shrunk,
    }
    return Result(
        packing.total(certified), metrics, packing.describe(certified), {"packing.svg": packing.draw(certified)}
    )
