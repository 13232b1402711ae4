"""The tables of what a run cost, each with a total, and which of its arms cannot be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from evolve.cli.listing import Cell, dollars

if TYPE_CHECKING:
    from evolve.archive.rows import ArmState, ReplySpend, Spend

Table = tuple[Sequence[str], Sequence[Sequence[Cell]]]
"""The names of columns and the rows below them."""

ARMS = {
    "attempts": "attempts",
    "evaluations": "evaluations",
    "counted": "counted",
    "seconds": "seconds",
    "cpu seconds": "cpu_seconds",
    "replies": "replies",
    "input tokens": "input_tokens",
    "output tokens": "output_tokens",
    "dollars": "dollars",
    "uncertain": "uncertain_dollars",
}
PURPOSES = {
    "calls": "calls",
    "done": "done",
    "failed": "failed",
    "uncertain": "uncertain",
    "seconds": "seconds",
    "input tokens": "input_tokens",
    "output tokens": "output_tokens",
    "dollars": "dollars",
    "uncertain dollars": "uncertain_dollars",
}
"""Columns of numbers: what a reader sees -> what the archive calls it."""


def by_arm(found: Sequence[Spend]) -> Table:
    """Return a row for each arm."""
    return ("arm", *ARMS), _rows(ARMS, [((item.arm,), item) for item in found])


def by_purpose(found: Sequence[ReplySpend]) -> Table:
    """Return a row for each arm and what its calls were for."""
    return ("arm", "purpose", *PURPOSES), _rows(PURPOSES, [((item.arm, item.purpose), item) for item in found])


def with_states(
    found: Sequence[Spend] | Sequence[ReplySpend], states: Mapping[str, tuple[ArmState, str]]
) -> list[dict[str, Any]]:
    """Return what was found as plain values, each with the state of its arm and the reason; the seed is no arm."""
    rows = []
    for item in found:
        state, reason = states.get(item.arm, (None, ""))
        rows.append({**asdict(item), "state": state, "reason": reason})
    return rows


def notes(states: Mapping[str, tuple[ArmState, str]]) -> list[str]:
    """Return a line for each arm that cannot be asked."""
    words = {"resting": "rests", "ended": "has ended"}
    return [f"{arm} {words[state]}: {reason}" for arm, (state, reason) in states.items() if state in words]


def _rows(columns: Mapping[str, str], found: Sequence[tuple[tuple[str, ...], object]]) -> list[list[Cell]]:
    """Return rows of words and numbers, and their total below them; none at all where nothing was found."""
    if not found:
        return []
    numbers = [[getattr(item, name) for name in columns.values()] for _, item in found]
    totals = [
        _total(name, list(column)) for name, column in zip(columns.values(), zip(*numbers, strict=True), strict=True)
    ]
    words = [*(words for words, _ in found), ("total", *[""] * (len(found[0][0]) - 1))]
    return [
        [*label, *(_cell(name, number) for name, number in zip(columns.values(), line, strict=True))]
        for label, line in zip(words, [*numbers, totals], strict=True)
    ]


def _total(name: str, numbers: list[float | None]) -> float | None:
    """Return the sum of a column: unknown where a part of it is, but for times, which not every system measures."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known and (len(known) == len(numbers) or "seconds" in name) else None


def _cell(name: str, number: float | None) -> Cell:
    """Return a number as its column shows it."""
    if "dollars" in name:
        return dollars(number)
    return round(number, 2) if isinstance(number, float) else number
