"""What a run has learnt: islands, bandit and budget, as asks and tells change them. Rebuilt from rows by the same calls."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from evolve.arms import Arm
from evolve.bandit import bandit, gain
from evolve.budget import Budget
from evolve.config import Config
from evolve.errors import ConfigError
from evolve.islands import Island, Islands
from evolve.parents import inspirations, sampler
from evolve.records import Asked, Attempt, Given, Metric, Program, Proposal
from evolve.seams import Writer
from evolve.standings import Priors

BROKEN = 4
"""How many crashed children of models an island remembers, each to be offered for repair once."""


class State:
    """The memory of a search. It is bounded: what it holds does not grow with the archive.

    Args:
        score: the task's score.
        config: the resolved settings.
        arms: what the bandit chooses from.
        seed: the source of every random choice.
        seconds: the time that earlier sessions of the run took.
        priors: what earlier runs of the task say of the arms.
    """

    def __init__(
        self,
        score: Metric,
        config: Config,
        arms: Mapping[str, Arm],
        seed: int,
        seconds: float = 0.0,
        priors: Priors | None = None,
    ) -> None:
        self.score, self.config, self.arms, self.seed = score, config, arms, seed
        search = config.search
        self.sampler = sampler(score, search)
        weights = {name: arm.weight for name, arm in arms.items()}
        self.bandit = bandit(weights, config.bandit, priors or {})
        self.broken: dict[int, list[Program]] = {}
        self.islands = Islands(
            score,
            count=search.islands,
            capacity=search.elites,
            migrate_every=search.migrate_every,
            migrate_share=search.migrate_share,
            seed=seed,
        )
        self.budget = Budget(config.budget, score, seconds_before=seconds)
        self.number = 0
        self.told = 0

    def propose(self, given: Given) -> Proposal:
        """Decide everything random about the next attempt, count it, and reserve its evaluation.

        Args:
            given: what clock and ledger say; some arm must not be barred.

        Raises:
            ConfigError: if the budget is spent.
        """
        if not self.budget.reserve():
            raise ConfigError(f"the budget is spent ({self.budget.spent()}); resume with a larger one")
        number = self.number + 1
        rng = Random(f"{self.seed}/{number}")
        island = self.islands.turn(number)
        parent = self.sampler.sample(island, rng)
        arm, operator = self.bandit.pick(self._offers(island, given.barred), given.prices, rng)
        if operator == "fix":
            parent = self.broken[island.number][-1]
        tally = island.tally(parent.digest)
        proposal = Proposal(
            number=number,
            parent=parent,
            inspirations=inspirations(island.elites, parent, self.config.search.inspirations, rng),
            island=island.number,
            arm=arm,
            operator=operator,
            seed=rng.getrandbits(53),
            told=self.told,
            tried=tally.tried.get(arm, 0) if tally else 0,
            gained=tally.gained.get(arm, 0) if tally else 0,
            best=self.budget.best,
            given=given,
        )
        self.count_ask(Asked(number, self.told, parent.digest, arm, island.number, operator))
        return proposal

    def _offers(self, island: Island, barred: tuple[str, ...]) -> dict[str, list[str]]:
        """Return what each arm can be asked for now: crossing takes two programs, repairing a broken one."""
        lacking = {"cross"} if len(island.elites) < 2 else set()
        if not self.broken.get(island.number):
            lacking.add("fix")
        return {
            name: [operator for operator in arm.operators if operator not in lacking]
            for name, arm in self.arms.items()
            if name not in barred
        }

    def gain(self, proposal: Proposal, child: Program | None) -> float:
        """Return the reward of an attempt that is about to be told."""
        elites = self.islands.turn(proposal.island).elites
        return gain(self.score, child, proposal.parent, elites, self.budget.first, self.budget.best)

    def _improved(self, proposal: Proposal, child: Program | None) -> bool:
        if child is None or child.score is None or proposal.parent.score is None:
            return False
        return self.score.sign * child.score > self.score.sign * proposal.parent.score

    def count_seed(self, program: Program) -> None:
        """Let a program that the run starts from into every island."""
        self.islands.seeded(program)
        self.budget.scored(program.score)

    def count_ask(self, ask: Asked) -> None:
        """Take note that an attempt was asked for."""
        self.number = ask.number
        self.bandit.pull(ask.arm, ask.operator)
        self.islands.asked(ask.parent, ask.island)
        if ask.operator == "fix":
            broken = self.broken.get(self.islands.turn(ask.island).number, [])
            broken[:] = [program for program in broken if program.digest != ask.parent]

    def count_tell(self, attempt: Attempt) -> None:
        """Take note of how an attempt ended."""
        proposal, program = attempt.proposal, attempt.program
        self.told += 1
        self.bandit.tell(attempt)
        self.islands.told(
            program, proposal.parent.digest, proposal.arm, proposal.island, self._improved(proposal, program)
        )
        if program is not None:
            self.budget.scored(program.score)
            if program.status == "crash" and "fix" in self._ways(program.arm) and program.operator != "fix":
                island = self.islands.turn(proposal.island).number
                self.broken[island] = [*self.broken.get(island, [])[1 - BROKEN :], program]
        if not attempt.points:
            self.budget.idle(asked=isinstance(self._ways(proposal.arm).get(proposal.operator), Writer))

    def _ways(self, arm: str) -> Mapping[str, object]:
        """Return the operators of an arm; none of one that is no longer configured."""
        return self.arms[arm].operators if arm in self.arms else {}
