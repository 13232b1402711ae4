"""Which arm makes the next attempt: fixed weights, Thompson sampling, or an upper confidence bound.

Rewards are scale-free gains in [0, 1] per evaluation (see `gain`), so no task's unit matters; a failed attempt is a
reward of 0; pulls are counted when an attempt is asked for, so that parallel asks spread; earlier rewards are
discounted, because what helps at the start of a night is not what helps at its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from evolve.config import BanditConfig
from evolve.records import Metric, Program
from evolve.seams import Bandit


def gain(
    score: Metric,
    child: Program | None,
    parent: Program,
    elites: Sequence[Program],
    first: float | None,
    best: float | None,
) -> float:
    """Return the reward of an attempt in [0, 1]: the part of the run's progress that it made.

    What counts is by how much the child is better than both its parent and the median of the island's elites, so that
    repairing poor parents earns nothing; the unit is what the run has gained from its ``first`` score to its ``best``, this
    child included. A child that failed, or is no better, earns 0.
    """
    if child is None or child.score is None or parent.score is None or first is None:
        return 0.0
    value = score.sign * child.score
    values = [score.sign * elite.score for elite in elites if elite.score is not None]
    better = value - max([score.sign * parent.score, *([median(values)] if values else [])])
    progress = max(value, score.sign * (first if best is None else best)) - score.sign * first
    return min(better / progress, 1.0) if better > 0 and progress > 0 else 0.0


@dataclass(slots=True)
class Record:
    """What is known of one arm: its weight, and, discounted, pulls told, their cost in evaluations and their rewards;
    ``open`` are pulls not told yet.
    """

    weight: float
    open: int = 0
    pulls: float = 0.0
    cost: float = 0.0
    reward: float = 0.0

    @property
    def rate(self) -> float:
        """Reward per evaluation; with nothing told yet, 0."""
        return self.reward / self.cost if self.cost > 0 else 0.0

    @property
    def spent(self) -> float:
        """Evaluations spent on the arm, those of open pulls estimated by its mean."""
        return self.cost + self.open * (self.cost / self.pulls if self.pulls > 0 else 1.0)


class Arms:
    """What the bandits share: the record of each arm, pulls counted at ask, rewards discounted at tell."""

    def __init__(self, weights: Mapping[str, float], decay: float) -> None:
        self.records = {arm: Record(weight) for arm, weight in sorted(weights.items()) if weight > 0}
        self._decay = decay

    def pull(self, arm: str) -> None:
        """Count an attempt of ``arm``. An arm that is no longer configured is left out, as its rows are on resume."""
        if arm in self.records:
            self.records[arm].open += 1

    def tell(self, arm: str, gain: float, cost: float) -> None:
        """Discount what every arm did before by the evaluations that went by, and credit ``arm``."""
        cost = max(cost, 1.0)  # an attempt that ended before the judge still took its turn
        kept = self._decay**cost
        for record in self.records.values():
            record.pulls *= kept
            record.cost *= kept
            record.reward *= kept
        if arm in self.records:
            record = self.records[arm]
            record.open -= 1
            record.pulls += 1
            record.cost += cost
            record.reward += gain


class Fixed(Arms):
    """Arms by their weights, whatever they achieve."""

    def pick(self, rng: Random) -> str:
        """Draw an arm."""
        return rng.choices(list(self.records), [record.weight for record in self.records.values()])[0]


class Thompson(Arms):
    """Thompson sampling with a Beta posterior over each arm's discounted reward per evaluation, Beta(1, 1) before."""

    def pick(self, rng: Random) -> str:
        """Draw a rate for every arm from its posterior, and take the arm of the largest."""

        def drawn(record: Record) -> float:
            return rng.betavariate(1 + record.reward, 1 + max(record.spent - record.reward, 0.0))

        return max(self.records, key=lambda arm: drawn(self.records[arm]))


class UpperConfidence(Arms):
    """Asymmetric UCB per evaluation: ``rate_a / max rate + c · w_a · sqrt(2 ln t / n_a)``.

    ``n_a`` are the evaluations spent on an arm, ``t`` on all of them, discounted, and ``w_a`` its weight relative to the
    mean one. After ShinkaEvolve (arXiv 2509.19349), whose reward counts improvements only and whose n counts pulls; where an
    attempt may cost one evaluation or hundreds, a bound on what an evaluation earns must count evaluations.
    """

    def __init__(self, weights: Mapping[str, float], decay: float, exploration: float) -> None:
        super().__init__(weights, decay)
        self._exploration = exploration

    def pick(self, rng: Random) -> str:
        """Return an arm never pulled if there is one, else that of the highest bound; ties by chance."""
        fresh = [arm for arm, record in self.records.items() if record.spent == 0]
        if fresh:
            return rng.choice(fresh)
        total = math.log(1 + sum(record.spent for record in self.records.values()))
        top = max(record.rate for record in self.records.values())
        mean = sum(record.weight for record in self.records.values()) / len(self.records)

        def bound(record: Record) -> float:
            exploit = record.rate / top if top > 0 else 0.0
            return exploit + self._exploration * record.weight / mean * math.sqrt(2 * total / max(record.spent, 1.0))

        return max(self.records, key=lambda arm: (bound(self.records[arm]), rng.random()))


BANDITS: Mapping[str, Callable[[Mapping[str, float], BanditConfig], Bandit]] = {
    "ucb": lambda weights, config: UpperConfidence(weights, config.decay, config.exploration),
    "thompson": lambda weights, config: Thompson(weights, config.decay),
    "fixed": lambda weights, config: Fixed(weights, config.decay),
}
