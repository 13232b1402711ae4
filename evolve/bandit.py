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

from evolve.config import BanditConfig
from evolve.records import Metric, Program
from evolve.seams import Bandit


def gain(score: Metric, child: Program | None, parent: Program, elites: Sequence[Program], best: float | None) -> float:
    """Return the reward of an attempt in [0, 1]: 0 for a child that failed or is no better than its parent, 1 for a new
    best of the run, and otherwise the share of the island's elites that the child beats, halved: a rank, whatever the
    scores' scale.
    """
    if child is None or child.score is None or parent.score is None:
        return 0.0
    value = score.sign * child.score
    if value <= score.sign * parent.score:
        return 0.0
    if best is None or value > score.sign * best:
        return 1.0
    beaten = sum(1 for elite in elites if elite.score is not None and score.sign * elite.score < value)
    return 0.5 * max(beaten, 1) / max(len(elites), 1)


@dataclass(slots=True)
class Record:
    """What is known of one arm: its weight, discounted pulls, cost of those told (evaluations), and rewards."""

    weight: float
    pulls: float = 0.0
    cost: float = 0.0
    reward: float = 0.0

    @property
    def rate(self) -> float:
        """Reward per evaluation; with nothing told yet, 0."""
        return self.reward / self.cost if self.cost > 0 else 0.0


class Arms:
    """What the bandits share: the record of each arm, pulls counted at ask, rewards discounted at tell."""

    def __init__(self, weights: Mapping[str, float], decay: float) -> None:
        self.records = {arm: Record(weight) for arm, weight in sorted(weights.items()) if weight > 0}
        self._decay = decay

    def pull(self, arm: str) -> None:
        """Count an attempt of ``arm``. An arm that is no longer configured is left out, as its rows are on resume."""
        if arm in self.records:
            self.records[arm].pulls += 1

    def tell(self, arm: str, gain: float, cost: float) -> None:
        """Discount what every arm gained before, and credit ``arm``."""
        for record in self.records.values():
            record.pulls *= self._decay
            record.cost *= self._decay
            record.reward *= self._decay
        if arm in self.records:
            self.records[arm].cost += max(cost, 1.0)  # an attempt that ended before the judge still took its turn
            self.records[arm].reward += gain


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
            return rng.betavariate(1 + record.reward, 1 + max(record.cost - record.reward, 0.0))

        return max(self.records, key=lambda arm: drawn(self.records[arm]))


class UpperConfidence(Arms):
    """Asymmetric UCB: ``rate_a / max rate + c · weight_a · sqrt(2 ln t / n_a)``, with t and n_a discounted pulls.

    After ShinkaEvolve (arXiv 2509.19349), whose reward counts improvements only; here it is a rank instead of exp(ΔF) −
    1, attempts that fail at any stage count as 0, and the weight scales what is spent on exploring an arm (relative to
    the mean weight).
    """

    def __init__(self, weights: Mapping[str, float], decay: float, exploration: float) -> None:
        super().__init__(weights, decay)
        self._exploration = exploration

    def pick(self, rng: Random) -> str:
        """Return an arm never pulled if there is one, else that of the highest bound; ties by chance."""
        fresh = [arm for arm, record in self.records.items() if record.pulls == 0]
        if fresh:
            return rng.choice(fresh)
        total = math.log(1 + sum(record.pulls for record in self.records.values()))
        top = max(record.rate for record in self.records.values())
        mean = sum(record.weight for record in self.records.values()) / len(self.records)

        def bound(record: Record) -> float:
            exploit = record.rate / top if top > 0 else 0.0
            return exploit + self._exploration * record.weight / mean * math.sqrt(2 * total / record.pulls)

        return max(self.records, key=lambda arm: (bound(self.records[arm]), rng.random()))


BANDITS: Mapping[str, Callable[[Mapping[str, float], BanditConfig], Bandit]] = {
    "ucb": lambda weights, config: UpperConfidence(weights, config.decay, config.exploration),
    "thompson": lambda weights, config: Thompson(weights, config.decay),
    "fixed": lambda weights, config: Fixed(weights, config.decay),
}
