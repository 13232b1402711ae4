"""How an attempt gets its draft: at once, or step by step where that takes a conversation; refused where it is not new."""

from __future__ import annotations

from dataclasses import replace

from evolve import blocks
from evolve.archive import Archive
from evolve.flight import Flight
from evolve.normal import digest as digest_of
from evolve.novelty import Duplicate, Ladder, NearCopy
from evolve.records import Background, Evaluation, Program, Prompt, Reply, Task
from evolve.seams import Novelty, Stop
from evolve.state import State

NOTHING = Background(Evaluation("ok"))
"""What an operator that asks no model is told of its parent's past."""


class Drafts:
    """Leads the attempts of a run to their drafts, and stores them.

    Args:
        archive: where they are kept; ``run`` is the run's name in it.
        task: what is evolved.
        state: the islands, whose elites a draft is compared with, and how many attempts were told.
        similarity: the share of an elite above which a child of a model or command is refused.
    """

    def __init__(self, archive: Archive, run: str, task: Task, state: State, similarity: float) -> None:
        self._archive, self._run, self._task, self._state = archive, run, task, state
        self._novelty: Novelty = Ladder(
            (
                Duplicate(lambda digest: archive.known(run, digest)),
                NearCopy(
                    lambda island: map(self.whole, state.islands.turn(island).elites), similarity, state.config.arms
                ),
            )
        )

    def step(self, flight: Flight, reply: Reply | Stop | None = None) -> Prompt | None:
        """Take the next step towards the draft of a flight.

        Args:
            flight: the attempt.
            reply: what was answered to its last prompt, or why nothing was; None for the first step.

        Returns:
            A prompt that must be answered first; None if the attempt now has its draft, stored, or has stopped.
        """
        attempt = flight.attempt
        try:
            prompt = self._begin(flight) if reply is None else flight.answer(reply)
            if prompt is not None:
                return prompt
            if attempt.draft is None:
                raise RuntimeError(f"attempt {attempt.proposal.number} has neither prompt nor draft")
            breach = blocks.breach(attempt.proposal.parent.sources, attempt.draft.sources)
            if breach:
                attempt.draft = None
                raise Stop("draft", breach)
            attempt.digest = digest_of(attempt.draft.sources, self._task.language)
            self._novelty.check(attempt.proposal, attempt.draft.sources, attempt.digest)
        except Stop as stop:
            attempt.stage, attempt.reason = stop.stage, stop.reason
        else:
            attempt.drafted = self._state.told
            self._archive.drafted(self._run, attempt)
        return None

    def _begin(self, flight: Flight) -> Prompt | None:
        """Take the first step of a flight; the proposal of one that asks a model is stored before."""
        proposal = flight.attempt.proposal
        if not flight.writes:
            return flight.begin(NOTHING)
        self._archive.asked(self._run, proposal)
        return flight.begin(self._archive.background(self._run, proposal))

    def whole(self, program: Program) -> Program:
        """Return ``program`` with its sources, which a run rebuilt from rows loads only when they are needed."""
        if program.sources:
            return program
        return replace(program, sources=self._archive.program(self._run, program.digest).sources)
