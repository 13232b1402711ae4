"""The one line that says what an attempt changed: the model's own words where it gave them, else a count."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from evolve import normal
from evolve.patch.fences import Fence, fence
from evolve.records import Sources

_MOST = 120
_IDEA = re.compile(r"[\s#>*_`\-]*(?:idea|changes?)[*_`]*[ \t]*[:：][ \t]*[*_`]*(.*)$", re.IGNORECASE)
_TITLE = re.compile(r"[ \t]*(?:#{1,6}[ \t]*[*_]*|[*_]{2,})(?:the[ \t]+)?(?:idea|changes?)[*_]*[ \t]*$", re.IGNORECASE)


def describe(parent: Sources, child: Sources, text: str) -> str:
    """Return in at most 120 characters what was changed: the line of ``text`` that begins with "Idea:" or "Change:", or
    the names of what was changed and the number of lines.
    """
    prose = _prose(text)
    for line in prose:
        match = _IDEA.match(line[:1000])
        said = match[1] if match else ""
        if (match or _TITLE.match(line[:100])) and not said.strip():
            said = next((line for line in prose if line.strip()), "")
        if said := _short(" ".join(said.strip(" \t#*_`").split())):
            return said
    return _short(_counted(parent, child))


def _prose(text: str) -> Iterator[str]:
    """Yield the lines of a reply that are in no fence and no block of an edit."""
    outer: Fence | None = None
    block = False
    for line in text.splitlines():
        mark = fence(line)
        if line.lstrip().startswith("<<<<<"):
            block = True
        elif line.lstrip().startswith(">>>>>"):
            block = False
        elif mark:
            outer = None if outer and mark.bare and mark.like(outer) else outer or mark
        elif not outer and not block:
            yield line


def _short(text: str) -> str:
    return text if len(text) <= _MOST else text[: _MOST - 1].rstrip() + "…"


def _counted(parent: Sources, child: Sources) -> str:
    more = less = 0
    names: list[str] = []
    for path, text in child.items():
        before = parent.get(path, "")
        if text == before:
            continue
        old, new = Counter(before.splitlines()), Counter(text.splitlines())
        more, less = more + (new - old).total(), less + (old - new).total()
        changed = _changed(before, text) if path.endswith(".py") else []
        names += changed or [path]
    lines = f"+{more} -{less} lines"
    while names and len(", ".join(names)) + len(lines) + 2 > _MOST:
        names = [*names[:-2], "…"] if len(names) > 1 else []
    return f"{', '.join(names)}: {lines}" if names else lines


def _changed(before: str, after: str) -> list[str]:
    """Return the functions and classes of two versions of a Python file whose texts differ, in their order."""
    old, new = _texts(before), _texts(after)
    return [name for name in {**new, **old} if old.get(name) != new.get(name)]


def _texts(text: str) -> dict[str, list[str]]:
    tree = normal.parse(text.removeprefix("\ufeff"))
    lines = text.splitlines()
    return {
        node.name: lines[node.lineno - 1 : node.end_lineno]
        for node in (tree.body if tree else ())
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
