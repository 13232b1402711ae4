"""Which program to change next: samplers over an island's elites.

Formulas: ShinkaEvolve (arXiv 2509.19349), weighted and power-law parent sampling; children are counted when asked for,
so that parallel asks do not all take the same parent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from evolve import plugins
from evolve.config import SearchConfig
from evolve.records import Metric, Program
from evolve.seams import ParentSampler, Population

MAD_FLOOR = 1e-6


def sigmoid(x: float) -> float:
    """The logistic function, without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else (e := math.exp(x)) / (1 + e)


@dataclass(frozen=True, slots=True)
class Weighted:
    """``p_i ∝ s_i h_i`` with ``s_i = σ(λ (F_i − median F) / max(MAD F, 1e-6))`` and ``h_i = 1 / (1 + children_i)``."""

    score: Metric
    sharpness: float = 10.0

    def weights(self, population: Population) -> list[float]:
        """Return the unnormalised weight of each elite."""
        values = [self.score.sign * scored(program) for program in population.elites]
        middle = median(values)
        spread = max(median(abs(value - middle) for value in values), MAD_FLOOR)
        return [
            sigmoid(self.sharpness * (value - middle) / spread) / (1 + population.children(program))
            for value, program in zip(values, population.elites, strict=True)
        ]

    def sample(self, population: Population, rng: Random) -> Program:
        """Return an elite, the good and the little explored preferred."""
        return _choose(population.elites, self.weights(population), rng)


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``p_i ∝ rank_i^−α``, rank 1 the best. α = 0 is uniform."""

    alpha: float = 1.0

    def sample(self, population: Population, rng: Random) -> Program:
        """Return an elite by its rank."""
        return _choose(population.elites, [rank**-self.alpha for rank in range(1, len(population.elites) + 1)], rng)


@dataclass(frozen=True, slots=True)
class Best:
    """Always the best: hill climbing, a baseline."""

    def sample(self, population: Population, rng: Random) -> Program:
        """Return the best elite."""
        return population.elites[0]


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any elite alike: a baseline."""

    def sample(self, population: Population, rng: Random) -> Program:
        """Return an elite."""
        return rng.choice(population.elites)


SAMPLERS: Mapping[str, Callable[[Metric, SearchConfig], ParentSampler]] = {
    "weighted": lambda score, config: Weighted(score, config.sharpness),
    "power": lambda _, config: PowerLaw(config.alpha),
    "best": lambda *_: Best(),
    "random": lambda *_: Uniform(),
}


def sampler(score: Metric, search: SearchConfig) -> ParentSampler:
    """Return what ``search.parents`` names: one of `SAMPLERS`, or a plugin.

    Raises:
        ConfigError: if the plugin cannot be made.
    """
    if (known := SAMPLERS.get(search.parents)) is not None:
        return known(score, search)
    made = plugins.make(search.parents, score, search, setting="search.parents", methods=["sample"])
    return plugins.HeldSampler(search.parents, made)


def scored(program: Program) -> float:
    """Return the score of an elite, which has one by definition."""
    if program.score is None:
        raise ValueError(f"program {program.id} has no score, so it cannot be an elite")
    return program.score


def inspirations(elites: Sequence[Program], parent: Program, count: int, rng: Random) -> tuple[Program, ...]:
    """Return up to ``count`` other elites, worst first: the first half drawn from all, the rest from the best ones."""
    others = [program for program in elites if program.digest != parent.digest]
    chosen: list[Program] = []
    for turn in range(min(count, len(others))):
        pool = others if turn % 2 == 0 else others[: max(count, 3)]
        pick = rng.choice(
            [program for program in pool if program not in chosen] or [p for p in others if p not in chosen]
        )
        chosen.append(pick)
    rank = {program.digest: place for place, program in enumerate(others)}
    return tuple(sorted(chosen, key=lambda program: -rank[program.digest]))


def _choose(programs: Sequence[Program], weights: Sequence[float], rng: Random) -> Program:
    if not sum(weights) > 0:  # every sigmoid underflowed: nothing distinguishes them
        return rng.choice(programs)
    return rng.choices(programs, weights)[0]
