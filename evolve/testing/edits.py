"""Ways to change a program without understanding it, and how to say the change in a reply's form."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Change = Callable[[str, Random], str | None]
"""Makes another text of the text that may change; None, or the same, where it finds nothing to change."""

_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w.])")
START, END = "EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END"


def numbers(text: str) -> list[re.Match[str]]:
    """Return the numeric constants of ``text``, those in comments left out."""
    return [
        found
        for found in _NUMBER.finditer(text)
        if "#" not in text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
    ]


def nudge(text: str, rng: Random) -> str | None:
    """Change one constant by a few percent, a whole one by 1: it may help or not. One that is not whole, if there is one."""
    return _scaled(text, rng, rng.uniform(-0.1, 0.1))


def shake(text: str, rng: Random) -> str | None:
    """Change one constant by up to ten times: it hardly ever helps."""
    return _scaled(text, rng, rng.choice((-0.9, 9.0)) * rng.uniform(0.5, 1.0))


def _scaled(text: str, rng: Random, by: float) -> str | None:
    found = numbers(text)
    real = [number for number in found if not number[0].isdigit()]
    if not found:
        return None
    chosen = rng.choice(real or found)
    if not chosen[0].isdigit():
        new = _written(float(chosen[0]) * (1 + by) if float(chosen[0]) else by)
    else:
        whole = int(chosen[0])
        new = str(max(round(whole * (1 + by)), 0))
        new = new if int(new) != whole else str(whole + 1)
    return text[: chosen.start()] + new + text[chosen.end() :]


def _written(value: float) -> str:
    text = f"{value:.8g}"
    return text if re.search(r"[.e]", text) else f"{text}.0"


class Toward:
    """A truly better edit where the best constants are known: moves the first constant that is not there yet.

    Args:
        optimum: the best values of the text's constants, in their order; later constants are left alone.
        step: the part of the way that one edit goes; the rest is taken in one edit when it is small, or less than 1 of a
            whole number.
    """

    def __init__(self, *optimum: float, step: float = 0.5) -> None:
        self._optimum, self._step = optimum, step

    def __call__(self, text: str, rng: Random) -> str | None:
        """Return ``text`` one edit nearer; None where it is there."""
        for found, best in zip(numbers(text), self._optimum, strict=False):
            value = float(found[0])
            if value == best:
                continue
            way = (best - value) * self._step
            if found[0].isdigit() and best == int(best):
                whole = max(int(abs(way)), 1)
                new = str(int(value) + (whole if way > 0 else -whole))
            else:
                far = abs(best - value) > 1e-6 * max(1.0, abs(best))
                new = _written(value + way) if far else repr(float(best))
            return text[: found.start()] + new + text[found.end() :]
        return None


def change(text: str, how: Change, rng: Random) -> str | None:
    """Return ``text`` with what ``how`` makes of one of the parts that may change; None where it changes none."""
    lines = text.splitlines(keepends=True)
    for start, end in evolvable(lines):
        part = "".join(lines[start:end])
        new = how(part, rng)
        if new is not None and new != part:
            return "".join(lines[:start]) + new + "".join(lines[end:])
    return None


def evolvable(lines: list[str]) -> list[tuple[int, int]]:
    """Return the ranges of lines that may change: those between marks, or all where there are none."""
    starts = [at + 1 for at, line in enumerate(lines) if START in line]
    ends = [at for at, line in enumerate(lines) if END in line]
    return [(0, len(lines))] if not starts else list(zip(starts, [*ends, len(lines)], strict=False))


def between_marks(text: str) -> str:
    """Return the lines from the first mark to the one that ends it, both included; all where there are none."""
    lines = text.splitlines(keepends=True)
    start, end = evolvable(lines)[0]
    return "".join(lines[max(start - 1, 0) : end + 1])


def block(old: str, new: str) -> str:
    """Return the SEARCH/REPLACE block that makes ``new`` of ``old``, searching for lines that occur but once."""
    before, after = old.splitlines(), new.splitlines()
    top = 0
    while top < min(len(before), len(after)) and before[top] == after[top]:
        top += 1
    low = 0
    while low < min(len(before), len(after)) - top and before[-1 - low] == after[-1 - low]:
        low += 1
    bounds = next(
        (span for span in evolvable(before) if span[0] <= top <= span[1]),
        (0, len(before)),
    )
    end = len(before) - low
    while not _once(before, top, end) and (top > bounds[0] or end < bounds[1]):
        if top > bounds[0]:
            top -= 1
        if end < bounds[1] and not _once(before, top, end):
            end += 1
    search, replace = before[top:end], after[top : len(after) - (len(before) - end)]
    return "\n".join(["<<<<<<< SEARCH", *search, "=======", *replace, ">>>>>>> REPLACE"])


def _once(lines: list[str], start: int, end: int) -> bool:
    """Whether the text of these lines is there, is more than blank, and occurs once, in parts of lines too."""
    wanted, whole = "\n".join(lines[start:end]), "\n".join(lines)
    return bool(wanted.strip()) and whole.find(wanted) == whole.rfind(wanted)
