"""What a prompt shows, as its templates receive it, and in which order the least useful of it is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from evolve import wording
from evolve.records import Tried

LEAST = 200
"""Below so many characters a text is left out rather than shortened further."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as a prompt shows it."""

    path: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric's value with what is declared of it."""

    name: str
    value: float
    unit: str
    direction: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A program as a prompt shows it."""

    score: float | None
    status: str
    metrics: tuple[Measured, ...]
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """One of a task's files of knowledge."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Material:
    """The parts of a prompt that may be dropped. ``line`` and ``inspirations`` are in the order in which they are shown,
    the least useful first; ``tried`` has the newest first.
    """

    line: tuple[Tried, ...] = ()
    tried: tuple[Tried, ...] = ()
    inspirations: tuple[Shown, ...] = ()
    omitted: tuple[str, ...] = ()
    feedback: str = ""
    output: str = ""
    error: str = ""

    def lighter(self, frozen: tuple[str, ...]) -> Iterator[Material]:
        """Yield it with less and less in it, the least useful dropped first; ``frozen`` are the files that may go."""
        part = self
        yield part
        for _ in self.line:
            part = replace(part, line=part.line[1:])
            yield part
        for _ in self.tried:
            part = replace(part, tried=part.tried[:-1])
            yield part
        for _ in self.inspirations:
            part = replace(part, inspirations=part.inspirations[1:])
            yield part
        for path in frozen:
            part = replace(part, omitted=(*part.omitted, path))
            yield part
        while part.feedback:
            part = replace(part, feedback=wording.head(part.feedback, _half(part.feedback)))
            yield part
        while part.output:
            part = replace(part, output=wording.tail(part.output, _half(part.output)))
            yield part
        while part.error:
            part = replace(part, error=wording.tail(part.error, _half(part.error)))
            yield part


def _half(text: str) -> int:
    return len(text) // 2 if len(text) >= 2 * LEAST else 0
