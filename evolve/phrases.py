"""How things are put for people, on the command line, on pages and in reports: times, counts, long texts, differences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import unified_diff

from evolve.records import Sources


def short(words: str, width: int = 90) -> str:
    """Return the first line of ``words``, or the last of a traceback, cut to ``width`` characters."""
    lines = words.strip().splitlines() or [""]
    line = lines[-1 if lines[0].startswith("Traceback") else 0].strip()
    return line if len(line) <= width else line[: width - 1] + "…"


def last_line(words: str) -> str:
    """Return the last line of ``words``, where a traceback says what was wrong; nothing of an empty text."""
    return (words.strip().splitlines() or [""])[-1]


def metrics(values: Mapping[str, float]) -> str:
    """Return metrics in one line."""
    return "  ".join(f"{name}={value:.6g}" for name, value in values.items())


def several(number: int, noun: str, plural: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun if number == 1 else plural}"


def moment(seconds: float | None) -> str:
    """Return a time in the reader's own time zone."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def span(seconds: float | None) -> str:
    """Return a duration for reading."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def difference(old: Sources, new: Sources, before: str = "", after: str = "") -> dict[str, list[str]]:
    """Return the lines of a unified diff of each file that differs; a file that one side lacks is empty there. Paths are shown
    with ``before`` and ``after`` in front of them.
    """
    found = {}
    for path in sorted({*old, *new}):
        lines = [side.get(path, "").splitlines() for side in (old, new)]
        found[path] = list(unified_diff(lines[0], lines[1], before + path, after + path, lineterm=""))
    return {path: lines for path, lines in found.items() if lines}
