"""Fenced code in a reply: where each block begins and where it can end.

CommonMark ends a block at the first bare fence that is as long as its first. A program may itself hold such lines, in a
string or a comment, and a model seldom thinks of a longer fence; so every possible end is found, and what the code is
decides among them, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.patch.lines import PatchError

MOST = 400
"""The most lines with fences that a reply may have."""

_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fence:
    """A line that opens or, where it is bare, closes a block of code."""

    at: int
    indent: int
    sign: str
    length: int
    info: str

    @property
    def bare(self) -> bool:
        """Whether nothing follows the fence, so that it can close."""
        return not self.info

    def like(self, opening: Fence) -> bool:
        """Return whether this could close ``opening`` if it is bare, or open another block inside it."""
        return self.sign == opening.sign and self.length >= opening.length

    def content(self, lines: Sequence[str], stop: int) -> tuple[str, ...]:
        """Return the lines after this one up to ``stop``, without the fence's own indentation if they all have it."""
        inside = tuple(lines[self.at + 1 : stop])
        margin = " " * self.indent
        if margin and all(line.startswith(margin) for line in inside if line.strip()):
            return tuple(line.removeprefix(margin) for line in inside)
        return inside


def fence(line: str, at: int = 0) -> Fence | None:
    """Return what fence a line is, if it is one."""
    if not line.lstrip(" ").startswith(("```", "~~~")):
        return None
    match = _FENCE.match(line)
    return Fence(at, len(match[1]), match[2][0], len(match[2]), match[3].strip()) if match else None


def fences(lines: Sequence[str]) -> list[Fence]:
    """Return all fences of a reply.

    Raises:
        PatchError: if there are more than anyone could make sense of.
    """
    found = [mark for at, line in enumerate(lines) if (mark := fence(line, at))]
    if len(found) > MOST:
        raise PatchError(f"the reply has {len(found)} lines with code fences; reply with one fence around the program")
    return found


def closings(opening: Fence, after: Sequence[Fence]) -> list[Fence]:
    """Return every fence among those ``after`` that could close ``opening``."""
    return [mark for mark in after if mark.bare and mark.like(opening)]


def paired(opening: Fence, after: Sequence[Fence]) -> list[Fence]:
    """Return those closing fences with which all others pair up, inside the block and after it.

    A fence with an info string can only open; a bare one may open or close.
    """
    rest = [mark for mark in after if mark.like(opening)]
    ends = _pairs([not mark.bare for mark in reversed(rest)], closing=True)
    starts = _pairs([not mark.bare for mark in rest], closing=False)
    return [mark for n, mark in enumerate(rest) if mark.bare and starts[n] and ends[len(rest) - n - 1]]


def _pairs(forced: Sequence[bool], *, closing: bool) -> list[bool]:
    """Return for each n whether the first n fences pair up. Those that are ``forced`` open a block (or, read backwards,
    close one), all others do either: the depths they can reach are every second number from ``low`` to ``high``.
    """
    low = high = 0
    possible = [True]
    for only in forced:
        if only and closing:
            low, high = low - 1 if low else 1, high - 1
        elif only:
            low, high = low + 1, high + 1
        else:
            low, high = low - 1 if low else 1, high + 1
        if low > high:
            break
        possible.append(low == 0)
    return possible + [False] * (len(forced) + 1 - len(possible))
