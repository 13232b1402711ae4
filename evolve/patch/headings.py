"""The line above a piece of a reply that says which file it is of: ``### FILE path``, and the ways in which models
write that.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from evolve.patch.lines import PatchError

_LONGEST = 300
_WORD = re.compile(r"(?:file(?:name|path)?|path)(?:[ \t*`:]+)(?=\S)", re.IGNORECASE)
_ASIDE = re.compile(r"[ \t]\([^()]*\)[ \t:]*$")
_PATH = re.compile(r"[^\s`*:\"'<>]+\.\w+")
_TRIM = " \t*`:\"'"


def heading(line: str, known: Collection[str]) -> str | None:
    """Return the file that a line names, and None where it is no heading.

    Raises:
        PatchError: if it is a heading and the program has no such file.
    """
    if len(line) > _LONGEST:
        return None
    rest = _ASIDE.sub("", line.strip().lstrip("#").strip(_TRIM)).strip(_TRIM)
    word = _WORD.match(rest)
    name = (rest[word.end() :] if word else rest).strip(_TRIM).removeprefix("./")
    if name in known:
        return name
    if word and _PATH.fullmatch(name):
        raise PatchError(f"there is no file {name}; the program's files are {', '.join(sorted(known))}")
    return None
