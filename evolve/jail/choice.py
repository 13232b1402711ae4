"""Chooses how candidates are confined: the strongest level that passes its self-test here."""

from __future__ import annotations

from functools import cache

from evolve.errors import IsolationError
from evolve.jail.levels import LEVELS, Confinement, layers, missing
from evolve.jail.selftest import verdict


@cache
def choose(isolation: str = "auto") -> Confinement:
    """Return the strongest confinement whose self-test passes on this machine; measured once per process, in about a second.

    Args:
        isolation: ``auto``, or a level's name: that level or a stronger one is then required. ``none`` confines nothing, and is
            never chosen without being asked for.

    Raises:
        IsolationError: if ``isolation`` is no level's name, or what it requires cannot be had; the text says what to install.
    """
    if isolation not in ("auto", *LEVELS):
        raise IsolationError(f"isolation {isolation!r} is none of auto, {', '.join(LEVELS)}")
    if isolation == "none":
        return Confinement("none", "asked for", layers("none"))
    weakest = "rlimits" if isolation == "auto" else isolation
    reasons: list[str] = []
    for level in LEVELS:
        why = missing(level) or verdict(level)
        if not why:
            return Confinement(level, "; ".join(reasons), layers(level))
        reasons.append(f"{level}: {why}")
        if level == weakest:
            break
    raise IsolationError(f"isolation {isolation!r} cannot be had on this machine. " + "; ".join(reasons))
