"""The statistics of repeats: is one program better than another on the same seeds, and is it still worth asking.

Every candidate sees the same seeds (common random numbers: Law, "Simulation Modeling and Analysis", the chapter on comparing
systems), so two of them are compared by their differences seed by seed: what a seed does to both cancels. The differences are
taken as about normal, and their mean is bounded by Student's t.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, mean

LEVEL = 0.95
FEWEST = 3
"""Differences before the first look of a race: two leave one degree of freedom, with which almost nothing is certain."""
ERROR = 0.1
"""How likely a race may be to stop a candidate that is as good as its rival, over all its looks together."""


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much a contender is better than the incumbent on the ``n`` seeds that both have seen: the mean paired
    difference, more is better, and the ends of its confidence interval.
    """

    mean: float
    low: float
    high: float
    n: int


def lead(sign: float, contender: Sequence[float], incumbent: Sequence[float], level: float = LEVEL) -> Lead:
    """Compare two programs on the same seeds.

    Args:
        sign: +1 where a larger score is better, -1 where a smaller one is.
        contender: its raw scores, in the order of the seeds.
        incumbent: likewise; the longer of the two is read as far as the shorter goes.
        level: of the interval, whose two ends err equally often: ``low`` by itself is a bound with confidence
            (1 + level) / 2. One difference alone has an infinite interval.

    Raises:
        ValueError: if no seed is common to both.
    """
    differences = _differences(sign, contender, incumbent)
    middle, error = _summary(differences)
    reach = _reach(error, (1.0 + level) / 2.0, len(differences))
    return Lead(middle, middle - reach, middle + reach, len(differences))


def hopeless(sign: float, own: Sequence[float], rival: Sequence[float], total: int) -> bool:
    """Whether a race can stop: on the seeds so far a candidate is clearly worse than its rival.

    Asked after each seed. A race (Maron and Moore, "Hoeffding races", 1994; with tests on common instances Birattari et al.,
    "A racing algorithm for configuring metaheuristics", 2002) is a test that is looked at again and again. So each look gets
    a part of `ERROR`, and all together err no more often than that (Boole's inequality). The look with f degrees of freedom
    has a part proportional to 1 / (f (f + 1)): the early ones get the most, because there a stop saves the most.
    That holds for differences about as normal as a t-test wants them: what is good by a rare seed alone can be stopped
    before it meets one, and a rival that owes its place to luck on these seeds is hard on all (figures: ``bench/racing.py``).

    Args:
        sign: +1 where a larger score is better, -1 where a smaller one is.
        own: the candidate's raw scores so far, in the order of the seeds.
        rival: those of its rival, all that are known.
        total: on how many seeds the candidate is to be judged.
    """
    last = min(len(rival), total - 1)
    if not FEWEST <= len(own) <= last:
        return False
    differences = _differences(sign, own, rival)
    if len(set(differences)) == 1:
        return _settled(differences[0], own)
    shares = 1.0 / (FEWEST - 1) - 1.0 / last  # the sum of 1 / (f (f + 1)) over all looks
    risk = ERROR / shares / (len(own) * (len(own) - 1))
    middle, error = _summary(differences)
    return middle + _reach(error, 1.0 - risk, len(own)) < 0.0


def _settled(difference: float, own: Sequence[float]) -> bool:
    """Whether a race is over whose differences are all the same, which leaves Student's t no spread to measure.

    Behind by the same on every seed is the end, for coarse scores such as solved or not as well: two programs whose scores are
    distributed alike are apart by one given amount on at most a quarter of the seeds, and by the same one on n seeds, with
    the better one always ahead, with probability 2 / 4^n at most, which is within the part of every look. A tie is the end where
    scores differ from seed to seed: the two behave alike. Coarse scores often tie by chance, so there it says nothing.
    """
    return difference < 0.0 or (difference == 0.0 and len(set(own)) == len(own))


def projected(own: Sequence[float], rival: Sequence[float]) -> float:
    """Return what a candidate whose race ended early would have on all of its rival's seeds: the rival's mean plus the mean
    paired difference. Its own mean would not do: the seeds that it has seen may be easier than the rest.
    """
    return _within(mean(rival) + _summary(_differences(1.0, own, rival))[0])


@lru_cache(maxsize=4096)
def quantile(level: float, freedom: int) -> float:
    """Return the value below which Student's t with ``freedom`` degrees stays with probability ``level``, in (0, 1)."""
    if level < 0.5:
        return -quantile(1.0 - level, freedom)
    low, high = 0.0, math.pi / 2
    while low < (angle := (low + high) / 2) < high:
        low, high = (angle, high) if _central(angle, freedom) < 2.0 * level - 1.0 else (low, angle)
    return math.sqrt(freedom) * math.tan(low)


def _central(angle: float, freedom: int) -> float:
    """Return the probability that |T| <= sqrt(freedom) * tan(angle): Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    odd = freedom % 2
    square, term, total = math.cos(angle) ** 2, math.cos(angle) if odd else 1.0, 0.0
    for power in range(odd + 1, freedom, 2):
        total += term
        term *= square * power / (power + 1)
    total *= math.sin(angle)
    return 2.0 / math.pi * (angle + total) if odd else total


def _differences(sign: float, own: Sequence[float], rival: Sequence[float]) -> list[float]:
    return [_within(sign * (mine - theirs)) for mine, theirs in zip(own, rival, strict=False)]


def _summary(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error, exact where all values are the same, and whatever their size."""
    if not values:
        raise ValueError("there is no score to compare")
    scale = max(map(abs, values)) or 1.0
    middle = fmean(value / scale for value in values)
    if len(values) == 1:
        return values[0], math.inf
    squares = math.fsum((value / scale - middle) ** 2 for value in values)
    return scale * middle, scale * math.sqrt(squares / (len(values) * (len(values) - 1)))


def _reach(error: float, level: float, n: int) -> float:
    """Return how far a confidence bound is from the mean."""
    return math.inf if n == 1 else quantile(level, n - 1) * error


def _within(value: float) -> float:
    """Return the nearest number that is finite."""
    return max(-sys.float_info.max, min(sys.float_info.max, value))
