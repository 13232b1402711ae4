"""What is wrong with a task: one thing at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "note"]
LEVELS: tuple[Severity, ...] = get_args(Severity)
"""From the worst on: an ``error`` makes scores worthless, a ``warning`` costs evaluations or trust."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` is wrong, ``where``, and what to ``do``: each a sentence or the name of a place."""

    level: Severity
    what: str
    where: str
    do: str

    def plain(self) -> dict[str, str]:
        """Return it as plain data."""
        return asdict(self)
