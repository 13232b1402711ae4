"""Which arm makes the next attempt, and by which of its operators: fixed weights, Thompson sampling, or an upper
confidence bound.

Arms compete by what all their operators did; the operators of the arm that won by what each did. Rewards are scale-free
gains in [0, 1] (see `gain`) per cost, so no task's unit matters; a failed attempt is a reward of 0; pulls are counted when an
attempt is asked for, so that parallel asks spread; earlier rewards are discounted, because what helps at the start of a night
is not what helps at its end.

Costs are priced (see `prices`): what an arm has shown counts per priced cost, so that dear arms must achieve more. What is
not known yet counts per evaluation: it is worth less to find out about a dear arm, but not more to find out about a
free one, or free arms would win by being free.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from statistics import median

from evolve import plugins
from evolve.config import BanditConfig
from evolve.records import Attempt, Metric, Program
from evolve.seams import Bandit
from evolve.standings import Past, Priors, Record, Standing, scaled, standings

__all__ = ["BANDITS", "Past", "Priors", "bandit", "gain", "scaled"]

OPERATORS: Mapping[str, float] = {"diff": 0.5, "full": 0.35, "cross": 0.15, "fix": 0.5}
"""Weights of the operators of an arm; others weigh 1."""
APPLIED = 0.2
"""What an operator earns of 1 for a child that the judge could score at all: models differ most in the formats that they
get right, and that shows in every attempt, where gains are rare.
"""
CONCAVE = 0.25
"""The power of a gain that is its reward where models are among the arms. A gain is a share of the run's progress so far: the
first success has 1, the tenth of equal size 1/10, and late ones far less. As they are, whoever was lucky first would be ahead
for the night; to this power a hundredth still counts a third.
"""


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
    child included. A child that failed, or is no better, earns 0. A parent that failed itself is no bar.
    """
    if child is None or child.score is None or first is None:
        return 0.0
    value, start = score.sign * child.score, score.sign * first
    values = [score.sign * elite.score for elite in elites if elite.score is not None]
    bars = [*([score.sign * parent.score] if parent.score is not None else []), *([median(values)] if values else [])]
    better = value - max(bars, default=start)
    progress = max(value, start if best is None else score.sign * best) - start
    return min(better / progress, 1.0) if better > 0 and progress > 0 else 0.0


class Arms(ABC):
    """What the bandits share: the record of each operator of each arm, pulls counted at ask, rewards discounted at tell.

    Args:
        weights: the arms; those that weigh nothing are left out.
        config: ``decay`` and ``credit`` are used here.
        priors: what is known before the first pull, `scaled` to what it is to count.
    """

    def __init__(self, weights: Mapping[str, float], config: BanditConfig, priors: Priors | None = None) -> None:
        self.weights = {arm: weight for arm, weight in sorted(weights.items()) if weight > 0}
        self.records: dict[str, dict[str, Record]] = {arm: {} for arm in self.weights}
        self._config = config
        # Many small gains are what built-in arms are about: among themselves they are compared by the gains as they are.
        self._power = 1.0 if all(map(builtin, self.weights)) else CONCAVE
        for (arm, operator), past in (priors or {}).items():
            if arm in self.records:
                self.records[arm][operator] = self._known(past)

    def _known(self, past: Past) -> Record:
        """Return a record of earlier runs. Only the sum of their gains is known: they are taken to be equal, or, where nobody
        counted how many attempts gained, to have the least reward that the sum can stand for.
        """
        mean = past.gain / past.gained if past.gained > 0 else 0.0
        return Record(
            pulls=past.pulls,
            evaluations=past.spent,
            dollars=past.cost.dollars,
            tokens=past.cost.tokens,
            seconds=past.cost.seconds,
            reward=max(past.gain, past.gained * mean**self._power),
            ok=past.ok,
        )

    def pick(self, offers: Mapping[str, Sequence[str]], prices: Mapping[str, float], rng: Random) -> tuple[str, str]:
        """Return the arm of the next attempt and the operator by which it makes it. Of ``offers``, which must hold an arm that
        is configured, arms that are not are passed over.
        """
        arms = {arm: _sum(records.values()) for arm, records in self.records.items() if offers.get(arm)}
        arm = self._choose(standings(arms, self.weights, prices, lambda record: record.reward), rng)
        operators = offers[arm]
        if len(operators) == 1:
            return arm, operators[0]
        known = {operator: self.records[arm].get(operator, Record()) for operator in operators}
        return arm, self._choose(standings(known, OPERATORS, prices, _operator_reward), rng)

    @abstractmethod
    def _choose(self, among: Mapping[str, Standing], rng: Random) -> str:
        """Return one of the names."""

    def pull(self, arm: str, operator: str) -> None:
        """Count an attempt. An arm that is no longer configured is left out, as its rows are on resume."""
        if arm in self.records:
            self.records[arm].setdefault(operator, Record()).open += 1

    def tell(self, attempt: Attempt) -> None:
        """Discount what every arm did before by the evaluations that went by, and credit those who made the child and its
        parent.
        """
        proposal, cost, reward = attempt.proposal, attempt.cost, (attempt.gain or 0.0) ** self._power
        # What the archive knew counts as judged, so that a run takes the same course whatever that holds; and an attempt that
        # ended before the judge still took its turn.
        evaluations = max(float(len(attempt.points)), 1.0)
        kept = self._config.decay**evaluations
        for records in self.records.values():
            for record in records.values():
                record.fade(kept)
        if proposal.arm in self.records:
            record = self.records[proposal.arm].setdefault(proposal.operator, Record())
            record.open -= 1
            record.pulls += 1
            record.evaluations += evaluations
            record.dollars += cost.dollars
            record.tokens += cost.tokens
            record.seconds += cost.seconds
            record.reward += reward
            record.ok += bool(attempt.points) and attempt.points[0].evaluation.status == "ok"
        self._credit_parent(attempt, reward)

    def _credit_parent(self, attempt: Attempt, reward: float) -> None:
        """Credit a stepping stone. What built-in arms make of each other's children is left out: where no structure changes,
        one more step of an optimiser is its own work. What lives on in others' children is a structure that a model proposed.
        """
        child, parent = attempt.proposal, attempt.proposal.parent
        if (child.arm, child.operator) == (parent.arm, parent.operator) or (builtin(child.arm) and builtin(parent.arm)):
            return
        record = self.records.get(parent.arm, {}).get(parent.operator)
        if record is not None:
            record.reward += self._config.credit * reward


def builtin(arm: str) -> bool:
    """Whether an arm is one of the package's own. Operators of somebody else's earn as models do."""
    return arm.startswith("builtin/")


def _sum(records: Iterable[Record]) -> Record:
    total = Record()
    for record in records:
        total.add(record)
    return total


def _operator_reward(record: Record) -> float:
    return (1 - APPLIED) * record.reward + APPLIED * record.ok


class Fixed(Arms):
    """By weights, whatever is achieved."""

    def _choose(self, among: Mapping[str, Standing], rng: Random) -> str:
        return rng.choices(list(among), [standing.weight for standing in among.values()])[0]


class Thompson(Arms):
    """Thompson sampling with a Beta posterior over the discounted reward per evaluation, Beta(1, 1) before, per priced cost.

    A low price multiplies what was shown and not the whole draw: see the head of this module.
    """

    def _choose(self, among: Mapping[str, Standing], rng: Random) -> str:
        def drawn(of: Standing) -> float:
            rate = rng.betavariate(1 + of.reward, 1 + max(of.spent - of.reward, 0.0))
            return rate / of.dear if of.dear >= 1 else rate + of.rate * (1 / of.dear - 1)

        return max(among, key=lambda name: drawn(among[name]))


class UpperConfidence(Arms):
    """Asymmetric UCB: ``rate_a / max rate + c · w_a · sqrt(2 ln t / n_a) · min(1, 1 / d_a)``.

    ``rate_a`` is reward per priced cost, ``n_a`` are the evaluations spent on an arm, ``t`` on all of them, discounted,
    ``w_a`` its weight relative to the mean one, and ``d_a`` its price relative to the mean one. After ShinkaEvolve (arXiv
    2509.19349), whose reward counts improvements only and whose n counts pulls; where an attempt may cost one evaluation or
    hundreds, a bound on what an evaluation earns must count evaluations.
    """

    def _choose(self, among: Mapping[str, Standing], rng: Random) -> str:
        """Return one never pulled if there is one, else that of the highest bound; ties by chance."""
        fresh = [name for name, standing in among.items() if standing.spent == 0]
        if fresh:
            return rng.choice(fresh)
        total = math.log(1 + sum(standing.spent for standing in among.values()))
        top = max(standing.rate / standing.dear for standing in among.values())
        mean = sum(standing.weight for standing in among.values()) / len(among)

        def bound(of: Standing) -> float:
            exploit = of.rate / of.dear / top if top > 0 else 0.0
            explore = self._config.exploration * of.weight / mean * math.sqrt(2 * total / max(of.spent, 1.0))
            return exploit + explore * min(1.0, 1 / of.dear)

        return max(among, key=lambda name: (bound(among[name]), rng.random()))


BANDITS: Mapping[str, Callable[[Mapping[str, float], BanditConfig, Priors], Bandit]] = {
    "ucb": UpperConfidence,
    "thompson": Thompson,
    "fixed": Fixed,
}


def bandit(weights: Mapping[str, float], config: BanditConfig, priors: Priors) -> Bandit:
    """Return what ``bandit.kind`` names: one of `BANDITS`, or a plugin.

    Raises:
        ConfigError: if the plugin cannot be made.
    """
    if (known := BANDITS.get(config.kind)) is not None:
        return known(weights, config, priors)
    methods = ["pick", "pull", "tell"]
    return plugins.HeldBandit(
        config.kind, plugins.make(config.kind, weights, config, priors, setting="bandit.kind", methods=methods)
    )
