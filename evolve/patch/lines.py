"""A program as the lines that may change and those that may not, and back: line endings, the final newline and a byte
order mark stay what they were in each file.

Lines end at a line feed only (after an optional carriage return): what else Unicode calls a line break may stand inside
a string of the program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve import blocks, normal
from evolve.errors import TaskError
from evolve.records import Sources

BOM = "\ufeff"
LONGEST = 300_000
"""The most characters that a changed file may have: no program of use is longer, and compiling it would take seconds."""

_BREAK = re.compile(r"\r+\n")
_ELIDED = re.compile(
    r"""\s*(?:\#|//|/\*|--)[\s(\[<*]*(?:
        (?:\.{3}|…)(?:\W*$|.*\b(?:existing|rest|remain\w*|unchanged|same|omitted|previous|other)\b)
        |(?:the\ )?rest\ of\ (?:the|your|this)\ (?:code|program|file|class|function|method|implementation|loop)\b
        |(?:existing|remaining|previous|original|other)\ (?:code|implementation|functions?|methods?|lines)\b
            .*(?:\.{3}|…|\bhere\b|\bunchanged\b|\bas\ before\b|\bremains?\b|\bgoes\b|\bomitted\b)
        |(?:code\ |everything\ |all\ )?(?:else\ )?(?:remains\ |stays\ |is\ )?(?:unchanged|(?:the\ )?same\ as\ before)\W*$
    )""",
    re.VERBOSE | re.IGNORECASE,
)
"""A remark that says that code stands here which is not written."""


class PatchError(Exception):
    """A reply that does not become a program. ``reason`` says to the model what is wrong and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one file that may evolve as a whole, or is frozen as a whole.

    ``lines`` have no line breaks; those are in ``ends``, of the same length. ``line`` is the number of the first in the
    file, from 1. An evolve block that holds nothing is a part without lines.
    """

    lines: tuple[str, ...]
    ends: tuple[str, ...]
    evolvable: bool
    line: int

    @property
    def text(self) -> str:
        """The part as it stands in the file, but for a byte order mark."""
        return "".join(line + end for line, end in zip(self.lines, self.ends, strict=True))

    @property
    def blank(self) -> bool:
        """Whether there is nothing in it."""
        return not any(line.strip() for line in self.lines)


@dataclass(frozen=True, slots=True)
class File:
    """One file of the parent, cut into its parts."""

    path: str
    parts: tuple[Part, ...]
    newline: str
    bom: str

    @property
    def evolvable(self) -> bool:
        """Whether anything in it may change."""
        return any(part.evolvable for part in self.parts)

    @property
    def marked(self) -> bool:
        """Whether something in it is frozen."""
        return any(not part.evolvable for part in self.parts)

    def text(self, changed: Mapping[int, Sequence[str]]) -> str:
        """Return the file with the lines of some parts, by their numbers, replaced."""
        return self.bom + "".join(
            self._ended(part, changed[number]) if number in changed else part.text
            for number, part in enumerate(self.parts)
        )

    def _ended(self, part: Part, lines: Sequence[str]) -> str:
        text = "".join(line + self.newline for line in lines)
        ends_file = part is self.parts[-1]
        return text.removesuffix(self.newline) if ends_file and part.ends and not part.ends[-1] else text


def files(parent: Sources) -> dict[str, File]:
    """Cut every file of ``parent`` into its parts."""
    cut = {}
    for path, segments in blocks.segments(parent).items():
        parts: list[Part] = []
        bom = BOM if parent[path].startswith(BOM) else ""
        for segment in segments:
            if parts and not parts[-1].evolvable and not segment.evolvable:
                parts.append(Part((), (), evolvable=True, line=segment.line))
            lines, ends = _cut(segment.text if parts else segment.text.removeprefix(bom))
            parts.append(Part(lines, ends, segment.evolvable, segment.line))
        crlf, breaks = parent[path].count("\r\n"), parent[path].count("\n")
        cut[path] = File(path, tuple(parts), "\r\n" if 2 * crlf > breaks else "\n", bom)
    return cut


def _cut(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lines, ends = text.split("\n"), []
    last = lines.pop()
    for number, line in enumerate(lines):
        ends.append("\r\n" if line.endswith("\r") else "\n")
        lines[number] = line.removesuffix("\r")
    if last:
        lines.append(last)
        ends.append("")
    return tuple(lines), tuple(ends)


def split(text: str) -> list[str]:
    """Return the lines of a reply, whatever its line endings, without a byte order mark."""
    return _BREAK.sub("\n", text.removeprefix(BOM)).split("\n")


def marked(line: str) -> bool:
    """Return whether a line is a mark of an evolve block."""
    return blocks.START in line or blocks.END in line


def shown(line: str) -> str:
    """Return a line as a reason quotes it."""
    line = line.strip()
    return f"`{line if len(line) <= 80 else line[:79] + '…'}`"


def finish(parent: Sources, child: Sources, language: str) -> Sources:
    """Return ``child`` if it may be judged as a child of ``parent``.

    Raises:
        PatchError: if it is the same, too long, changed where it is frozen, Python that does not compile, or has a remark in the
            place of code.
    """
    changed = [path for path, text in child.items() if text != parent.get(path)]
    if not changed:
        raise PatchError("nothing changed: the program is the same as before; make the change that you describe")
    for path in changed:
        if len(child[path]) > LONGEST:
            raise PatchError(f"{path} would be {len(child[path])} characters long; write at most {LONGEST}")
    try:
        wrong = blocks.breach(parent, child)
    except TaskError as problem:
        wrong = str(problem)
    if wrong:
        raise PatchError(f"{wrong}; change only what stands between the marks")
    for path in changed:
        if (line := _elided(parent.get(path, ""), child[path])) is not None:
            raise PatchError(f"the line {shown(line)} stands in the place of code; write out all lines that stay")
        if python(path, language) and (why := fault(child[path])):
            raise PatchError(f"{path} would not compile: {why}; correct it and reply again")
    return child


def _elided(before: str, after: str) -> str | None:
    """Return the first new line that is a remark in the place of code."""
    old = set(map(str.strip, before.splitlines()))
    return next((line for line in after.splitlines() if _ELIDED.match(line) and line.strip() not in old), None)


def python(path: str, language: str) -> bool:
    """Return whether a file must compile."""
    return language == "python" and path.endswith(".py")


def fault(text: str) -> str:
    """Return why the Python source of a file does not compile, with the line; an empty string where it does."""
    return normal.fault(text.removeprefix(BOM))
