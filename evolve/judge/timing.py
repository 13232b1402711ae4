"""How fast a candidate is beside a reference: the figures of `evolve.judge.candidate.Candidate.time`, and their noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

CONFIDENCE = 0.95
"""Of the interval that `Timing.noise` is half of, where there are enough repeats for it."""
NOISY = 0.1
"""The noise above which a ratio is not called stable."""
FEWEST = 3
"""Repeats below which a median says nothing of noise."""


@dataclass(frozen=True, slots=True)
class Clocked:
    """One timed call: what it returned, the judge's seconds, and those of an empty call that carries as much, where measured."""

    value: Any
    seconds: float
    transport: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """What timing a candidate gave, an entry per repeat; the n-th of each were taken one right after the other.

    Attributes:
        seconds: the candidate's, as the judge's clock saw them.
        reference_seconds: the reference's.
        values: what the candidate returned. All of them must be checked, not one: it may tell repeats apart by chance.
        reference_values: what the reference returned.
        transport: median seconds of a call that does nothing, but carries the same arguments and the reference's result. It is
            part of all the seconds above and not taken off them: a candidate's own transport cannot be measured where it might
            slow the measurement, and what is taken off too much would be a gain without work. So the ratio lies nearer to 1
            than that of the bare functions, the more so the larger this is beside ``seconds``.
    """

    seconds: tuple[float, ...]
    reference_seconds: tuple[float, ...]
    values: tuple[Any, ...]
    reference_values: tuple[Any, ...]
    transport: float

    @property
    def ratios(self) -> tuple[float, ...]:
        """The speed-up in each repeat."""
        pairs = zip(self.reference_seconds, self.seconds, strict=True)
        return tuple(reference / own for reference, own in pairs)

    @property
    def ratio(self) -> float:
        """How many times as fast as the reference the candidate is: the median of reference / candidate over the repeats."""
        return median(self.ratios)

    @property
    def noise(self) -> float:
        """How uncertain `ratio` is, relative to it: half the width of `interval` of the ratios."""
        low, high = interval(self.ratios)
        return (high - low) / 2 / self.ratio

    @property
    def stable(self) -> bool:
        """Whether the noise is at most `NOISY`. Elsewhere more repeats, or a longer case, may help."""
        return self.noise <= NOISY

    @property
    def value(self) -> Any:
        """What the candidate returned the last time."""
        return self.values[-1]

    def feedback(self) -> str:
        """Return one line for people and prompts."""
        own, other = shown(median(self.seconds)), shown(median(self.reference_seconds))
        text = f"{self.ratio:.3g} times as fast as the reference ({own} against {other}, {len(self.seconds)} repeats)"
        text += f"; noise {self.noise:.1%}, transport {shown(self.transport)}"
        return text if self.stable else f"{text}; too noisy to tell small differences"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the two of ``values`` between which the median of their distribution lies with `CONFIDENCE` or more.

    They are the r-th smallest and the r-th largest, for the largest r at which 1 - 2 P(B < r) is that much, where B is binomial
    with n = ``len(values)`` and p = 1/2: this holds for every continuous distribution (David and Nagaraja, Order Statistics,
    3rd edition, section 7.1). Fewer than six values do not reach 0.95; it is then the smallest and the largest.
    """
    ordered, count = sorted(values), len(values)
    rank, below = 0, 0
    while rank < count // 2 and 1 - 2 * (below + math.comb(count, rank)) / 2**count >= CONFIDENCE:
        below += math.comb(count, rank)
        rank += 1
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[-rank]


def interleaved(candidate: Callable[[], Clocked], reference: Callable[[], Clocked], repeats: int) -> Timing:
    """Take turns, the order alternating, so that a machine that grows slower or faster meanwhile hits both alike.

    Raises:
        ValueError: for fewer repeats than `FEWEST`.
    """
    if repeats < FEWEST:
        raise ValueError(f"timing needs {FEWEST} repeats or more, not {repeats}")
    own: list[Clocked] = []
    other: list[Clocked] = []
    for number in range(repeats):
        turns = [(own, candidate), (other, reference)]
        for taken, clocked in turns if number % 2 == 0 else reversed(turns):
            taken.append(clocked())
    return Timing(
        seconds=tuple(one.seconds for one in own),
        reference_seconds=tuple(one.seconds for one in other),
        values=tuple(one.value for one in own),
        reference_values=tuple(one.value for one in other),
        transport=median(one.transport for one in other),
    )


def shown(seconds: float) -> str:
    """Return a time with three digits in a unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
