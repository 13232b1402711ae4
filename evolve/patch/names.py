"""The names that a piece of code defines at its outermost level, read off its lines: good enough to tell a program from
an example of its use, in code that need not parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PYTHON = re.compile(r"(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)|(\w+)[ \t]*(?::[^=]*)?=(?!=)")
_OTHER = re.compile(r"[A-Za-z_][^;=(){}]*?\b(\w+)[ \t]*\(")
_WIDEST = 400


def defined(lines: Iterable[str], language: str) -> frozenset[str]:
    """Return the functions, classes and, in Python, variables defined at the indentation of the first line of code."""
    pattern = _PYTHON if language == "python" else _OTHER
    found: set[str] = set()
    indent = None
    for line in lines:
        code = line.lstrip(" \t")
        if not code or code[0] in "#/":
            continue
        if indent is None:
            indent = line[: len(line) - len(code)]
        if len(line) - len(code) == len(indent) and (match := pattern.match(code[:_WIDEST])):
            found.add(match[match.lastindex or 0])
    return frozenset(found)
