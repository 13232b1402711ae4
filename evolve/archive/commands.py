"""What people ask of a run while it goes on: to pause, to go on, to stop, and hints for the models.

The one table that other processes than a run's driver write. They insert; the driver reads at each step, acts, and says what
became of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evolve.archive.database import Database
from evolve.archive.lock import left_over
from evolve.archive.rows import RunState, StoredState, clean
from evolve.errors import ArchiveError

CommandKind = Literal["pause", "continue", "stop", "hint", "withdraw"]
Origin = Literal["command line", "page", "python"]

LONGEST_HINT = 2000
"""Characters of a hint: it stands in every prompt."""
MOST_HINTS = 10
"""Hints that are in force at a time."""
COLUMNS = "id, run, kind, text, origin, given_at, taken_at, told, outcome"
IN_FORCE = """
run = ?1 AND kind = 'hint' AND id NOT IN (
    SELECT CAST(text AS INTEGER) FROM commands WHERE run = ?1 AND kind = 'withdraw'
)
"""


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person asked of a run. ``taken_at`` is when its driver acted, None while that is to come; ``told`` how many
    attempts had been told by then; ``outcome`` what became of it.
    """

    id: int
    run: str
    kind: CommandKind
    text: str
    origin: Origin
    given_at: float
    taken_at: float | None
    told: int | None
    outcome: str


class Commands(Database):
    """The part of the archive that carries what people ask to a run's driver."""

    def command(self, run: str, kind: CommandKind, text: str = "", origin: Origin = "python") -> int:
        """Ask something of a run.

        Args:
            run: its name.
            kind: ``pause``, ``continue`` and ``stop`` are for a run that goes on; a ``hint`` stays for all its resumes, until a
                ``withdraw`` takes it back.
            text: the hint, or the id of the hint to withdraw.
            origin: who asks.

        Returns:
            The id of the command, which is also that of a hint.

        Raises:
            ArchiveError: if there is no such run or it does not go on, or the text will not do.
        """
        text = clean(text.strip())
        with self.transaction():
            row = self._one("SELECT state FROM runs WHERE name = ?", (run,))
            if row is None:
                raise ArchiveError(f"{self.path} has no run {run!r}; `evolve runs` lists all")
            if kind in ("hint", "withdraw"):
                self._check_hint(run, kind, text)
            elif (state := self._state(run, row[0])) not in ("running", "paused"):
                is_ = "was cut off" if state == "cut off" else f"is {state}"
                raise ArchiveError(
                    f"run {run} {is_}, so there is nothing to {kind}; `evolve resume {run}` goes on with it"
                )
            elif text:
                raise ArchiveError(f"{kind!r} takes no text")
            (id,) = self._one(
                "INSERT INTO commands (run, kind, text, origin, given_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
                (run, kind, text, origin, time.time()),
            )
        return int(id)

    def commands(self, run: str) -> list[Command]:
        """Return all that was asked of a run, the latest first."""
        return self._commands("run = ?1 ORDER BY id DESC", run)

    def waiting(self, run: str) -> list[Command]:
        """Return what its driver has not acted on yet, the oldest first."""
        return self._commands("run = ?1 AND taken_at IS NULL ORDER BY id", run)

    def hints(self, run: str) -> list[Command]:
        """Return the hints that are in force, the oldest first."""
        return self._commands(f"{IN_FORCE} ORDER BY id", run)

    def paused(self, run: str) -> bool:
        """Return whether the driver of a run acted on a pause and has not gone on since."""
        row = self._one(
            "SELECT kind FROM commands WHERE run = ? AND kind IN ('pause', 'continue', 'stop') AND taken_at IS NOT NULL "
            "AND outcome NOT LIKE 'void%' ORDER BY id DESC LIMIT 1",
            (run,),
        )
        return row is not None and row[0] == "pause"

    def _state(self, run: str, stored: StoredState) -> RunState:
        """Return the state of a run as people see it."""
        if stored != "running":
            return stored
        return "cut off" if left_over(self._lock(run)) else "paused" if self.paused(run) else "running"

    def _lock(self, run: str) -> Path:
        """Return the lock file of a run."""
        path = self.path.resolve()  # one archive has one lock, by whichever link it is opened
        return path.with_name(f"{path.name}.{run}.lock")

    def taken(self, command: Command, told: int, outcome: str) -> None:
        """Say that a run's driver acted on a command: after how many told attempts, and what became of it."""
        self._run(
            "UPDATE commands SET taken_at = ?, told = ?, outcome = ? WHERE id = ? AND taken_at IS NULL",
            (time.time(), told, outcome, command.id),
        )

    def _check_hint(self, run: str, kind: CommandKind, text: str) -> None:
        """Refuse a hint, or a withdrawal, that makes no sense."""
        known = [str(hint.id) for hint in self.hints(run)]
        if kind == "withdraw":
            if text not in known:  # as text: SQLite reads fewer texts as numbers than Python
                listed = ", ".join(known) or "none"
                raise ArchiveError(f"run {run} has no hint {text[:40]!r} in force; its hints: {listed}")
        elif not text:
            raise ArchiveError("a hint needs words")
        elif len(text) > LONGEST_HINT:
            raise ArchiveError(f"a hint stands in every prompt: at most {LONGEST_HINT} characters, not {len(text)}")
        elif len(known) >= MOST_HINTS:
            raise ArchiveError(f"run {run} has {MOST_HINTS} hints in force: withdraw one first ({', '.join(known)})")

    def _commands(self, where: str, run: str) -> list[Command]:
        return [Command(*row) for row in self._all(f"SELECT {COLUMNS} FROM commands WHERE {where}", (run,))]
