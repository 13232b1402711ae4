"""Refuses children that are not new before they cost an evaluation, cheap checks first.

Every arm: the digest of the normal form, against all programs of the run. Models and commands also: token shingles,
numbers kept, against the island's elites. Distance is never rewarded; only near copies are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from evolve.normal import shingles, similarity
from evolve.records import Program, Proposal, Sources
from evolve.seams import Novelty, Stop


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Refuses a program that the run has already. ``known`` returns the number of the attempt that made a digest, or
    None.
    """

    known: Callable[[str], int | None]

    def check(self, proposal: Proposal, sources: Sources, digest: str) -> None:
        """Raise `Stop` for a duplicate."""
        number = self.known(digest)
        if number is not None:
            raise Stop("novelty", f"the same program as {'the seed' if number <= 0 else f'attempt {number}'}")


@dataclass(frozen=True, slots=True)
class NearCopy:
    """Refuses a child of a model or command that shares more than ``similarity`` of its token shingles with an elite (Jaccard
    index). Arms that ask no model are free to: moving a constant is what they are for.
    """

    elites: Callable[[int], Iterable[Program]]
    similarity: float
    free: Container[str] = ()

    def check(self, proposal: Proposal, sources: Sources, digest: str) -> None:
        """Raise `Stop` for a near copy."""
        if proposal.arm in self.free:
            return
        mine = shingles(sources)
        for elite in self.elites(proposal.island):
            alike = similarity(mine, shingles(elite.sources))
            if alike > self.similarity:
                raise Stop("novelty", f"{alike:.1%} of it is in program {elite.id}")


@dataclass(frozen=True, slots=True)
class Ladder:
    """Several checks, one after the other."""

    rungs: tuple[Novelty, ...]

    def check(self, proposal: Proposal, sources: Sources, digest: str) -> None:
        """Raise the first `Stop` of any rung."""
        for rung in self.rungs:
            rung.check(proposal, sources, digest)
