"""What a run has learnt: islands, bandit and budget, as asks and tells change them. Rebuilt from rows by the same calls."""

from __future__ import annotations

from random import Random

from evolve.bandit import BANDITS, gain
from evolve.budget import Budget
from evolve.config import Config
from evolve.errors import ConfigError
from evolve.islands import Islands
from evolve.parents import SAMPLERS, inspirations
from evolve.records import Asked, Attempt, Metric, Program, Proposal


class State:
    """The memory of a search. It is bounded: what it holds does not grow with the archive.

    Args:
        score: the task's score.
        config: the resolved settings.
        seed: the source of every random choice.
        seconds: the time that earlier sessions of the run took.
    """

    def __init__(self, score: Metric, config: Config, seed: int, seconds: float = 0.0) -> None:
        self.score, self.config, self.seed = score, config, seed
        search = config.search
        self.sampler = SAMPLERS[search.parents](score, search)
        self.bandit = BANDITS[config.bandit.kind](config.arms, config.bandit)
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

    def propose(self) -> Proposal:
        """Decide everything random about the next attempt, count it, and reserve its evaluation.

        Raises:
            ConfigError: if the budget is spent.
        """
        if not self.budget.reserve():
            raise ConfigError(f"the budget is spent ({self.budget.spent()}); resume with a larger one")
        number = self.number + 1
        rng = Random(f"{self.seed}/{number}")
        island = self.islands.turn(number)
        parent = self.sampler.sample(island, rng)
        arm = self.bandit.pick(rng)
        tally = island.tally(parent.digest)
        proposal = Proposal(
            number=number,
            parent=parent,
            inspirations=inspirations(island.elites, parent, self.config.search.inspirations, rng),
            island=island.number,
            arm=arm,
            operator=arm.rpartition("/")[2],
            seed=rng.getrandbits(53),
            told=self.told,
            tried=tally.tried.get(arm, 0) if tally else 0,
            gained=tally.gained.get(arm, 0) if tally else 0,
            best=self.budget.best,
        )
        self.count_ask(Asked(number, self.told, parent.digest, arm, island.number))
        return proposal

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
        self.bandit.pull(ask.arm)
        self.islands.asked(ask.parent, ask.island)

    def count_tell(self, attempt: Attempt) -> None:
        """Take note of how an attempt ended."""
        proposal, program, reward = attempt.proposal, attempt.program, attempt.gain or 0.0
        self.told += 1
        self.bandit.tell(proposal.arm, reward, float(len(attempt.points)))
        self.islands.told(
            program, proposal.parent.digest, proposal.arm, proposal.island, self._improved(proposal, program)
        )
        if program is not None:
            self.budget.scored(program.score)
        if not attempt.points:
            self.budget.idle()
