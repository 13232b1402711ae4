"""What listings, JSON and diffs say of programs, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evolve.phrases import difference
from evolve.records import Program, short_id


def unified(old: Program, new: Program) -> dict[str, list[str]]:
    """Return the lines of a unified diff of each file that differs; a file that one side lacks is empty there."""
    return difference(old.sources, new.sources, f"{old.id}/", f"{new.id}/")


def summary(run: str, program: Program) -> dict[str, Any]:
    """Return what listings say about a program; numbers keep their full precision."""
    return {
        "run": run,
        "id": program.id,
        "score": program.score,
        "metrics": dict(program.metrics),
        "status": program.status,
        "arm": program.arm,
        "operator": program.operator,
        "parent": None if program.parent is None else short_id(program.parent),
        "number": program.number,
        "island": program.island,
        "generation": program.generation,
        "digest": program.digest,
    }


def plain(value: Any) -> Any:
    """Return ``value`` with the numbers that JSON does not have, in it and below it, replaced by their names."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
