"""Which text of a program may change: what stands between EVOLVE-BLOCK marks, or everything where no file has any.

A mark is any line that contains ``EVOLVE-BLOCK-START`` or ``EVOLVE-BLOCK-END``, so every language's comments serve. The
marks themselves are frozen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evolve.errors import TaskError
from evolve.records import Sources

START = "EVOLVE-BLOCK-START"
END = "EVOLVE-BLOCK-END"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of whole lines that is frozen or may evolve. ``line`` is the number of its first, from 1."""

    text: str
    evolvable: bool
    line: int = 1


def split(text: str, path: str = "program") -> tuple[Segment, ...]:
    """Cut ``text`` at its marks; the segments joined are ``text`` again. Without marks it is one frozen segment.

    Raises:
        TaskError: for an unpaired mark, with file and line.
    """
    segments: list[Segment] = []
    lines: list[str] = []
    first, opened = 1, 0

    def close(until: int, evolvable: bool) -> None:
        nonlocal lines, first
        if lines:
            segments.append(Segment("".join(lines), evolvable, first))
        lines, first = [], until

    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if START in line:
            if opened:
                raise TaskError(
                    f"{path}:{number}: {START} inside the block opened on line {opened}; close that with {END} first"
                )
            lines.append(line)
            close(number + 1, evolvable=False)
            opened = number
        elif END in line:
            if not opened:
                raise TaskError(f"{path}:{number}: {END} without a {START} above it")
            close(number, evolvable=True)
            lines.append(line)
            opened = 0
        else:
            lines.append(line)
    if opened:
        raise TaskError(f"{path}:{opened}: {START} is never closed; add a line with {END}")
    close(0, evolvable=False)
    return tuple(segments)


def join(segments: Iterable[Segment]) -> str:
    """Return the text that the segments make up."""
    return "".join(segment.text for segment in segments)


def segments(sources: Sources) -> dict[str, tuple[Segment, ...]]:
    """Cut every file. Where no file has marks all of every file may evolve, else only what is marked.

    Raises:
        TaskError: for an unpaired mark.
    """
    cut = {path: split(text, path) for path, text in sources.items()}
    if any(segment.evolvable for parts in cut.values() for segment in parts):
        return cut
    if any(START in text for text in sources.values()):
        return cut
    return {path: (Segment(text, evolvable=True),) for path, text in sources.items()}


def frozen(sources: Sources) -> Mapping[str, tuple[str, ...]]:
    """Return each file's frozen texts, in order: two versions of a program agree in them, or one of them was tampered
    with.
    """
    return {path: tuple(s.text for s in parts if not s.evolvable) for path, parts in segments(sources).items()}


def breach(parent: Sources, child: Sources) -> str:
    """Return in words what of ``child`` may not differ from ``parent`` and does; an empty string where all is well."""
    if set(parent) != set(child):
        return f"it must consist of the files {', '.join(sorted(parent))}, not {', '.join(sorted(child)) or 'none'}"
    for path, text in child.items():
        try:
            text.encode()
        except UnicodeEncodeError as problem:
            return f"{path} is no text: {problem.reason} at character {problem.start}"
    try:
        kept = frozen(child)
    except TaskError as problem:
        return str(problem)
    before = frozen(parent)
    return next((f"{path} differs outside its evolve blocks" for path in child if kept[path] != before[path]), "")
