"""Islands: populations that evolve apart and exchange programs now and then. Rebuilt from rows; bounded, however large
the archive grows.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from evolve.parents import scored
from evolve.records import Metric, Program


@dataclass(slots=True)
class Tally:
    """What was tried on one elite: attempts asked for, and per arm those told and those that gained."""

    children: int = 0
    tried: dict[str, int] = field(default_factory=dict)
    gained: dict[str, int] = field(default_factory=dict)


class Island:
    """The best programs of one population, best first, at most ``capacity`` of them."""

    def __init__(self, number: int, score: Metric, capacity: int) -> None:
        self.number = number
        self._sign = score.sign
        self._capacity = capacity
        self._elites: list[Program] = []
        self._tallies: dict[str, Tally] = {}

    @property
    def elites(self) -> Sequence[Program]:
        """The programs with a score, best first; of equals the older first."""
        return self._elites

    def __contains__(self, digest: str) -> bool:
        return digest in self._tallies

    def tally(self, digest: str) -> Tally | None:
        """Return what was tried on an elite; None for a program that is none."""
        return self._tallies.get(digest)

    def children(self, program: Program) -> int:
        """How many attempts were asked for with ``program`` as their parent."""
        tally = self._tallies.get(program.digest)
        return 0 if tally is None else tally.children

    def add(self, program: Program, tally: Tally | None = None) -> None:
        """Let ``program`` in, if it has a score and that is good enough."""
        if program.score is None or program.digest in self._tallies:
            return
        insort(self._elites, program, key=self._order)
        self._tallies[program.digest] = tally or Tally()
        if len(self._elites) > self._capacity:
            del self._tallies[self._elites.pop().digest]

    def remove(self, program: Program) -> Tally:
        """Take an elite out and return what was tried on it."""
        self._elites.remove(program)
        return self._tallies.pop(program.digest)

    def _order(self, program: Program) -> tuple[float, int]:
        return (-self._sign * scored(program), abs(program.number))


class Islands:
    """All islands of a run, and migration between them in a ring."""

    def __init__(
        self, score: Metric, *, count: int, capacity: int, migrate_every: int, migrate_share: float, seed: int
    ) -> None:
        self.islands = [Island(number, score, capacity) for number in range(count)]
        self._every, self._share, self._seed = migrate_every, migrate_share, seed
        self._told = 0

    def __iter__(self) -> Iterator[Island]:
        return iter(self.islands)

    def turn(self, number: int) -> Island:
        """Return the island that ``number`` stands for: proposals take turns, and a run may be resumed with fewer islands."""
        return self.islands[number % len(self.islands)]

    def seeded(self, program: Program) -> None:
        """Let a program that the run starts from in everywhere."""
        for island in self.islands:
            island.add(program)

    def asked(self, parent: str, island: int) -> None:
        """Count an attempt on the program ``parent``, so that the next ask knows of it."""
        tally = self.turn(island).tally(parent)
        if tally is not None:
            tally.children += 1

    def told(self, program: Program | None, parent: str, arm: str, island: int, gained: bool) -> None:
        """Take note of an attempt's end: its child, if it has one, and whether that was better than its parent."""
        tally = self.turn(island).tally(parent)
        if tally is not None:
            tally.tried[arm] = tally.tried.get(arm, 0) + 1
            tally.gained[arm] = tally.gained.get(arm, 0) + gained
        if program is not None:
            self.turn(island).add(program)
        self._told += 1
        if len(self.islands) > 1 and self._told % self._every == 0:
            self._migrate(Random(f"{self._seed}/migration/{self._told}"))

    def _migrate(self, rng: Random) -> None:
        """Move a share of each island's elites to the next; the best of each stays."""
        leaving: list[list[tuple[Program, Tally]]] = []
        for island in self.islands:
            count = min(math.ceil(self._share * len(island.elites)), len(island.elites) - 1)
            chosen = rng.sample(list(island.elites[1:]), max(count, 0))
            leaving.append([(program, island.remove(program)) for program in chosen])
        for number, travellers in enumerate(leaving):
            target = self.islands[(number + 1) % len(self.islands)]
            for program, tally in travellers:
                target.add(program, tally)
