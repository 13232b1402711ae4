"""What the user of a foreign task should know: what was read, what was not, and what its scores are worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from evolve.foreign.folder import read
from evolve.records import Task

NAMES = {"openevolve": "OpenEvolve", "shinka": "ShinkaEvolve"}
_CREDULOUS = (
    "This evaluator imports the program, so both ran in the jail together and the program could have made its own score"
    " (same-process). To split them, `evolve new FOLDER` writes a task whose evaluate.py stays outside with the answers and"
    " calls the program by candidate.call(...)."
)


@dataclass(frozen=True, slots=True)
class About:
    """``used`` and ``unused`` are the keys of ``source``; ``packages`` what the jail shows, ``absent`` what is not installed."""

    format: str
    source: str
    used: tuple[str, ...]
    unused: tuple[str, ...]
    packages: tuple[str, ...]
    absent: tuple[str, ...]
    note: str

    def plain(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return what a person wants to know, a line each."""
        lines = [f"format      {NAMES[self.format]}"]
        if self.source:
            lines.append(f"{'settings':12}{self.source}: used {', '.join(self.used) or 'nothing'}")
            if self.unused:
                lines.append(f"{'':12}not used: {', '.join(self.unused)}")
        lines.append(f"{'packages':12}{', '.join(self.packages) or 'none'}")
        if self.absent:
            lines.append(f"{'':12}imported in places, but not installed: {', '.join(self.absent)}")
        return [*lines, f"{'note':12}{self.note}"]


def about(task: Task) -> About:
    """Return what is to be known of a foreign task."""
    said = read(task.root, task.entry, strict=False)
    return About(said.format, said.source, said.used, said.unused, task.packages, said.absent, _CREDULOUS)
