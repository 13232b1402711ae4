"""What is known of the arms and operators that compete: what they did, what that cost, how they stand at given prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evolve.records import Cost

LEAST = 1e-6
"""No competitor is cheaper than this share of the mean."""


@dataclass(frozen=True, slots=True)
class Past:
    """What an operator of an arm did in earlier runs: attempts, the sum of their gains, and what they cost; where it is
    known, also how many of their children were judged ``ok`` and how many gained.
    """

    pulls: float
    gain: float
    cost: Cost
    ok: float = 0.0
    gained: float = 0.0

    @property
    def spent(self) -> float:
        """Evaluations, as they count here: one for each attempt at least."""
        return max(self.cost.evaluations, self.pulls)

    def shrunk(self, by: float) -> Past:
        """Return the same experience as if less of it had been made."""
        cost = self.cost
        less = Cost(cost.evaluations * by, cost.dollars * by, cost.tokens * by, cost.seconds * by)
        return Past(self.pulls * by, self.gain * by, less, self.ok * by, self.gained * by)


Priors = Mapping[tuple[str, str], Past]
"""What is known of each operator of each arm before a run begins."""


def scaled(history: Priors, worth: float) -> Priors:
    """Return earlier experience as if it had been made in at most ``worth`` evaluations per arm; with 0, nothing."""
    spent: dict[str, float] = {}
    for (arm, _), past in history.items():
        spent[arm] = spent.get(arm, 0.0) + past.spent
    return {
        key: past.shrunk(min(1.0, worth / spent[key[0]]))
        for key, past in history.items()
        if worth > 0 and past.spent > 0
    }


@dataclass(slots=True)
class Record:
    """What is known of an arm or an operator, discounted: pulls told, their costs, their rewards and how many of them were
    judged ``ok``; ``open`` are pulls not told yet.
    """

    open: int = 0
    pulls: float = 0.0
    evaluations: float = 0.0
    dollars: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    reward: float = 0.0
    ok: float = 0.0

    def fade(self, kept: float) -> None:
        """Discount what was told by the factor ``kept``."""
        self.pulls *= kept
        self.evaluations *= kept
        self.dollars *= kept
        self.tokens *= kept
        self.seconds *= kept
        self.reward *= kept
        self.ok *= kept

    def add(self, other: Record) -> None:
        """Take in what another record says."""
        self.open += other.open
        self.pulls += other.pulls
        self.evaluations += other.evaluations
        self.dollars += other.dollars
        self.tokens += other.tokens
        self.seconds += other.seconds
        self.reward += other.reward
        self.ok += other.ok

    @property
    def spent(self) -> float:
        """Evaluations spent, those of open pulls estimated by the mean one."""
        return self.evaluations + self.open * (self.evaluations / self.pulls if self.pulls > 0 else 1.0)

    def priced(self, prices: Mapping[str, float]) -> float:
        """Return what was spent at ``prices``, open pulls left out."""
        return float(sum(price * getattr(self, resource) for resource, price in prices.items()))


@dataclass(frozen=True, slots=True)
class Standing:
    """How one of several competitors stands.

    ``weight`` is what it starts from, ``spent`` are evaluations, ``rate`` is its reward per evaluation, and ``dear`` what an
    evaluation of it costs over what one costs on average.
    """

    weight: float
    spent: float
    reward: float
    rate: float
    dear: float


def standings(
    records: Mapping[str, Record],
    weights: Mapping[str, float],
    prices: Mapping[str, float],
    reward: Callable[[Record], float],
) -> dict[str, Standing]:
    """Return how competitors stand. The average cost is over all evaluations that were spent on them, so that a dear one
    among them does not make itself look cheap; one that was never told is taken to cost as much.
    """
    counted = prices if prices.keys() - {"evaluations"} else {}
    spent = sum(record.evaluations for record in records.values())
    mean = sum(record.priced(counted) for record in records.values()) / spent if spent > 0 else 0.0

    def standing(record: Record, weight: float) -> Standing:
        told = record.evaluations > 0
        dear = max(record.priced(counted) / record.evaluations / mean, LEAST) if told and mean > 0 else 1.0
        earned = reward(record)
        return Standing(weight, record.spent, earned, earned / record.evaluations if told else 0.0, dear)

    return {name: standing(record, weights.get(name, 1.0)) for name, record in records.items()}
