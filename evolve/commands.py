"""Acts on what people ask of a run while it goes on: pauses, continuations, stops, and hints for the models."""

from __future__ import annotations

from collections.abc import Callable

from evolve.archive import Archive
from evolve.archive.commands import Command
from evolve.budget import Budget


class Commands:
    """What a run was asked by others, seen from its driver.

    Args:
        archive: where people put commands; ``run`` is the run's name in it.
        budget: the ledger, whose clock stands still during a pause.
        drain: ends the run, with a reason.
        say: tells the run's observers.

    Attributes:
        paused: whether to begin nothing new, neither an attempt nor the next point of one.
        hints: what people want the models to know, the oldest first.
    """

    def __init__(
        self, archive: Archive, run: str, budget: Budget, drain: Callable[[str], None], say: Callable[[str], None]
    ) -> None:
        self._archive, self._run, self._budget, self._drain, self._say = archive, run, budget, drain, say
        self.paused = self._ending = False
        self.hints: tuple[str, ...] = ()

    def begin(self, told: int) -> None:
        """Begin a sitting: hints stay in force; a pause or stop that nobody was there to act on is void."""
        for command in self._archive.waiting(self._run):
            void = command.kind not in ("hint", "withdraw")
            self._archive.taken(command, told, "void: the run was begun again" if void else "in force")
        if self._archive.paused(self._run):
            self._archive.command(self._run, "continue")
            for command in self._archive.waiting(self._run):
                self._archive.taken(command, told, "went on: the run was begun again")
        self._read_hints()

    def take(self, told: int, ending: bool) -> None:
        """Act on what is waiting, as part of the caller's transaction.

        Args:
            told: how many attempts have been told.
            ending: whether the run is to end once what is under way has ended, for which a pause would make it wait.
        """
        self._ending = self._ending or ending
        if self._ending:
            self._go_on()
        for command in self._archive.waiting(self._run):
            self._archive.taken(command, told, self._act(command))

    def _act(self, command: Command) -> str:
        """Act on one command and return what became of it."""
        if command.kind == "stop":
            self._ending = True
            self._go_on()
            self._drain(f"stopped from the {command.origin}")
            return "stopping: what is under way ends first"
        if command.kind in ("hint", "withdraw"):
            self._read_hints()
            return "in force" if command.kind == "hint" else "withdrawn"
        if self._ending:
            return "void: the run ends"
        pausing = command.kind == "pause"
        if pausing == self.paused:
            return "it was paused already" if pausing else "it was not paused"
        if pausing:
            self.paused = True
            self._budget.pause()
            self._say(f"paused from the {command.origin}; `evolve pause {self._run} --off` goes on")
            return "paused: what is at the judge, or asked of a model, ends first"
        self._go_on()
        self._say(f"goes on, from the {command.origin}")
        return "went on"

    def _go_on(self) -> None:
        self._budget.go_on()
        self.paused = False

    def _read_hints(self) -> None:
        self.hints = tuple(hint.text for hint in self._archive.hints(self._run))
