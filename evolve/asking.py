"""Whom a run may ask for children just now, and whether it can ask at all: what its models, its budget and its settings allow."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.archive import Archive
from evolve.arms import Arm
from evolve.budget import Budget
from evolve.calls import Calls
from evolve.config import Config
from evolve.flight import Flight
from evolve.records import Prompt, Reply
from evolve.seams import Executor, Stop


class Asking:
    """Answers for the arms of a run.

    Args:
        archive: where calls are kept.
        executor: does its work while a reply is waited for.
        arms: what the bandit chooses from.
        calls: knows which models rest or have ended.
        budget: the ledger.
        config: the resolved settings.
    """

    def __init__(
        self,
        archive: Archive,
        executor: Executor,
        arms: Mapping[str, Arm],
        calls: Calls,
        budget: Budget,
        config: Config,
    ) -> None:
        self._archive, self._executor = archive, executor
        self._arms, self._calls, self._budget, self._config = arms, calls, budget, config

    @property
    def workers(self) -> int:
        """How many attempts may wait for a model beside those at the judge."""
        return self._config.workers if self._calls.paces else 0

    def barred(self) -> tuple[str, ...]:
        """Return the arms that are not to be asked now. Where time is scarce and evaluations are not, no slot waits for models:
        while all workers are busy, the arms that ask nobody go on.
        """
        caps, calls = self._budget.caps, self._calls
        others = len(calls.paces) < len(self._arms)
        if others and "seconds" in caps and "evaluations" not in caps and calls.busy():
            return tuple(calls.paces)
        return calls.barred()

    def stuck(self) -> bool:
        """Whether to ask for nothing because no model can be asked."""
        barred, paces = self._calls.barred(), self._calls.paces
        if not paces or len(barred) < len(paces):
            return False
        alone = self._config.llm.without == "continue" and len(barred) < len(self._arms)
        return bool(self.unpaid()) or not alone

    def unpaid(self) -> str:
        """Return the cap that does not pay for a call of any model, where that is why none can be asked."""
        return self._calls.broke if self._calls.ended() else ""

    def ended(self) -> str:
        """Return why no model will be asked again in this session, for a run that is `stuck`; an empty string if one may."""
        resting = self._config.llm.without == "end" and self._calls.resting()
        return self._calls.ended() or ("all models rest, and llm.without is 'end'" if resting else "")

    def reply(self, flight: Flight, prompt: Prompt) -> Reply | Stop:
        """Ask for a flight and wait for the reply."""
        calls = self._calls
        calls.ask(flight.attempt, flight.turn, prompt)
        while True:
            found = calls.collect()
            if not found:
                with self._archive.transaction():
                    found = calls.open()
                calls.send()
            for attempt, reply in found:  # others are of attempts whose work was interrupted
                if attempt is flight.attempt:
                    return reply
            self._executor.pump(calls.delay())
