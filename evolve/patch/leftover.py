"""Code among the prose of a reply: where a fence or marker came too early, the rest of the program stands outside, and
what was inside is a program cut short.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from evolve.patch.fences import fence
from evolve.patch.lines import File, marked
from evolve.patch.names import defined

_SHORTEST = 6
_DEFINITION = re.compile(r"\s*(?:async\s+)?(?:def\s+\w+\s*\(|class\s+\w+\s*(?:\(.*\))?\s*:)")


def names(file: File, language: str) -> frozenset[str]:
    """Return what the evolve blocks of a file define."""
    found: frozenset[str] = frozenset()
    return found.union(*(defined(part.lines, language) for part in file.parts if part.evolvable))


def leftover(prose: Iterable[str], files: Collection[File], language: str) -> str | None:
    """Return the first line of ``prose`` that is more likely code of one of ``files`` than prose."""
    known = {
        line.strip()
        for file in files
        for part in file.parts
        for line in part.lines
        if ((part.evolvable and len(line.strip()) >= _SHORTEST) or marked(line)) and not fence(line)
    }
    own = frozenset[str]().union(*(names(file, language) for file in files))
    return next(
        (line for line in prose if line.strip() and (line.strip() in known or _code(line, own, language))), None
    )


def _code(line: str, own: frozenset[str], language: str) -> bool:
    if language != "python":
        return line.rstrip().endswith((";", "{", "}"))
    return bool(_DEFINITION.match(line)) or bool(defined([line], language) & own)
