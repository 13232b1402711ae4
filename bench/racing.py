"""What racing on paired seeds saves, and what it gets wrong: no program and no judge, only scores of which all is known.

    python bench/racing.py [--trials 1000]

A contest: 20 candidates arrive one after another in random order, and the best so far is the rival of the next. Their true
means lie as 20 draws from a normal distribution with standard deviation 1 do on average, so that the best is 0.46 above the
second. A seed adds an effect with standard deviation 2 to whoever sees it, as a fold or a start differ more than programs do,
and ``noise`` is each candidate's own on each seed. Paired: all see the same seeds; else each has seeds of its own. A contender
that saw all its seeds becomes the best by its higher mean, or where the 95 % lower bound of its lead is above 0; "then the
highest mean" chooses at the end among all that saw all. "Fresh seeds" is the rule of `evolve.champions`: who has the higher mean
meets the best on seeds that neither has seen, and must be ahead there by the lower bound.

Printed: how often the true best is chosen, the evaluations as a share of those of fixed repeats, those on fresh seeds (of
both, and in no budget) likewise, and how often a race stopped the true best.

A single race against a rival: how often a candidate is stopped that should not be.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist, mean

from evolve.champions import LEVEL, LOOKS
from evolve.racing import FEWEST, hopeless, lead

CANDIDATES = 20
SEEDS = 2.0
"""The standard deviation of what a seed does to all."""
MEANS = [NormalDist().inv_cdf((CANDIDATES - rank - 0.375) / (CANDIDATES + 0.25)) for rank in range(CANDIDATES)]
"""The expected order statistics of the normal distribution (Blom's approximation), the best first."""
SETTINGS = ((5, 0.25), (10, 0.5), (20, 0.5), (20, 1.0), (50, 1.0))

Rule = Callable[[Sequence[float], Sequence[float]], bool]
"""Whether a contender's scores on all seeds make it the best, given those of the best so far."""


@dataclass(frozen=True)
class Method:
    """How a contest is held."""

    name: str
    paired: bool
    races: bool
    promotes: Rule
    ends_by_mean: bool = False
    fresh: bool = False


def surely(own: Sequence[float], rival: Sequence[float]) -> bool:
    """Whether the lower bound of the lead is above 0, with a confidence of 95 % of its own."""
    return lead(1.0, own, rival, 0.9).low > 0.0


def on_average(own: Sequence[float], rival: Sequence[float]) -> bool:
    return mean(own) > mean(rival)


RACING = Method("**racing, paired, lower bound**", True, True, surely)
METHODS = (
    Method("fixed repeats, seeds of its own, higher mean", False, False, on_average),
    Method("fixed repeats, paired, higher mean", True, False, on_average),
    Method("fixed repeats, paired, lower bound", True, False, surely),
    Method("racing, seeds of its own, higher mean", False, True, on_average),
    Method("racing, paired, higher mean", True, True, on_average),
    RACING,
    Method("racing, paired, lower bound, then the highest mean", True, True, surely, ends_by_mean=True),
    Method("racing, paired, higher mean, then fresh seeds", True, True, on_average, fresh=True),
)


@dataclass(frozen=True)
class Outcome:
    """Of one contest: whether the true best was chosen, the evaluations made, those on fresh seeds, and whether the true best
    was stopped.
    """

    right: bool
    evaluations: int
    again: int
    stopped: bool


def contest(method: Method, repeats: int, noise: float, rng: Random) -> Outcome:
    """Hold one."""
    shared = [rng.gauss(0.0, SEEDS) for _ in range(repeats)]
    incumbent: Sequence[float] = ()
    best, evaluations, again, full = 0, 0, 0, {}
    for candidate in rng.sample(range(CANDIDATES), CANDIDATES):
        effects = shared if method.paired else [rng.gauss(0.0, SEEDS) for _ in range(repeats)]
        scores = [MEANS[candidate] + effect + rng.gauss(0.0, noise) for effect in effects]
        own = raced(scores, incumbent) if method.races else scores
        evaluations += len(own)
        if len(own) < repeats:
            continue
        full[candidate] = mean(own)
        promoted = not incumbent or method.promotes(own, incumbent)
        if promoted and incumbent and method.fresh:
            promoted, cost = reviewed(candidate, best, repeats, noise, rng)
            again += cost
        if promoted:
            best, incumbent = candidate, own
    chosen = max(full, key=full.__getitem__) if method.ends_by_mean else best
    return Outcome(chosen == 0, evaluations, again, 0 not in full)


def reviewed(contender: int, best: int, repeats: int, noise: float, rng: Random) -> tuple[bool, int]:
    """Let a contender meet the best on fresh seeds, in batches; return whether it is promoted, and the evaluations."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(LOOKS):
        effects = [rng.gauss(0.0, SEEDS) for _ in range(repeats)]
        ours += [MEANS[contender] + effect + rng.gauss(0.0, noise) for effect in effects]
        theirs += [MEANS[best] + effect + rng.gauss(0.0, noise) for effect in effects]
        seen = lead(1.0, ours, theirs, LEVEL)
        if seen.low > 0.0 or seen.mean <= 0.0:
            break
    return seen.low > 0.0, len(ours) + len(theirs)


def raced(scores: Sequence[float], rival: Sequence[float]) -> Sequence[float]:
    """Return as many of the scores as a race sees."""
    for n in range(FEWEST, len(scores)):
        if hopeless(1.0, scores[:n], rival, len(scores)):
            return scores[:n]
    return scores


def normal(rng: Random) -> float:
    return rng.gauss(0.0, 1.0)


def heavy(rng: Random) -> float:
    """Student's t with three degrees of freedom."""
    return rng.gauss(0.0, 1.0) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3.0)


def skewed(rng: Random) -> float:
    return rng.expovariate(1.0)


def even(rng: Random) -> float:
    return float(rng.random() < 0.5)


def mostly(rng: Random) -> float:
    return float(rng.random() < 0.9)


def rare(rng: Random) -> float:
    """Worse by 1 on nine seeds of ten, better by 9 on the tenth: as good in the mean, and far from normal."""
    return rng.gauss(9.0 if rng.random() < 0.1 else -1.0, 0.1)


LENGTHS = (5, 10, 20)
NOISES = {
    "normal": normal,
    "heavy tails": heavy,
    "skewed": skewed,
    "solved in half": even,
    "solved in nine of ten": mostly,
}


Draw = Callable[[Random], float]


def race(
    repeats: int, gap: float, rng: Random, own: Draw = normal, rival: Draw = normal, crowd: int = 1
) -> tuple[float, bool]:
    """Race a candidate better by ``gap`` than a rival that is the luckiest of ``crowd``; return the mean of its first three
    differences, and whether it was stopped.
    """
    theirs = max(([rival(rng) for _ in range(repeats)] for _ in range(crowd)), key=mean)
    mine = [gap + own(rng) for _ in range(repeats)]
    start = mean(a - b for a, b in zip(mine[:FEWEST], theirs[:FEWEST], strict=True))
    return start, len(raced(mine, theirs)) < repeats


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def contests(trials: int) -> None:
    print("| repeats | noise | method | true best chosen | evaluations | on fresh seeds | true best stopped |")
    print("|---|---|---|---|---|---|---|")
    for repeats, noise in SETTINGS:
        for method in METHODS:
            rng = Random(0)
            seen = [contest(method, repeats, noise, rng) for _ in range(trials)]
            used = mean(outcome.evaluations for outcome in seen) / (CANDIDATES * repeats)
            again = mean(outcome.again for outcome in seen) / (CANDIDATES * repeats)
            right, stopped = mean(outcome.right for outcome in seen), mean(outcome.stopped for outcome in seen)
            row = (repeats, noise, method.name, percent(right), f"{used:.2f}", f"{again:.2f}", percent(stopped))
            print(f"| {' | '.join(map(str, row))} |", flush=True)


def races(trials: int) -> None:
    print("| candidate | rival | noise of each | stopped of 5 repeats | of 10 | of 20 |")
    print("|---|---|---|---|---|---|")
    for name, draw in NOISES.items():
        stopped = [mean(race(n, 0.0, Random(s), draw, draw)[1] for s in range(trials)) for n in LENGTHS]
        print(f"| as good | any | {name} | {' | '.join(map(percent, stopped))} |", flush=True)
    stopped = [mean(race(n, 0.0, Random(s), rare)[1] for s in range(trials)) for n in LENGTHS]
    print(
        f"| as good, by one seed in ten | any | normal, for the rival | {' | '.join(map(percent, stopped))} |",
        flush=True,
    )
    for about, gap, crowd in (
        ("as good", 0.0, 20),
        ("better by half its noise", 0.5, 1),
        ("better by its noise", 1.0, 1),
    ):
        seen = [sorted(race(n, gap, Random(s), crowd=crowd) for s in range(trials)) for n in LENGTHS]
        stopped = [mean(ended for _, ended in these) for these in seen]
        unlucky = [mean(ended for _, ended in these[: trials // 10]) for these in seen]
        rival = "any" if crowd == 1 else f"the luckiest of {crowd}"
        print(f"| {about} | {rival} | normal | {' | '.join(map(percent, stopped))} |")
        print(
            f"| — of these, the tenth with the worst first three seeds | | | {' | '.join(map(percent, unlucky))} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="contests per row; ten times as many races")
    trials = parser.parse_args().trials
    contests(trials)
    print()
    races(10 * trials)


if __name__ == "__main__":
    main()
