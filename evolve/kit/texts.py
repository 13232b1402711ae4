"""Three frozen texts that tasks calibrate and test on: "kjv" (the Bible of 1611), "python" (source code) and "docs" (docstrings).

Frozen, as a score hangs on every byte. Where they come from and under which licence: texts/README.md.
"""

from __future__ import annotations

import hashlib
import lzma
import re
from functools import cache
from pathlib import Path

SUMS = {
    "kjv": "8d085fe12d2ce11b74e8ac37d18fabf0855d0d2c39b386711794edc9d3f1fbc3",
    "python": "7d00c9f44a722810db7fae248d473b78f3225c28f3211e38efd36e1dc320bb04",
    "docs": "c7ff3a72e0e1641c6f1cf108848fbdbfa2b27fe4a1b3587157e9969d32dab23f",
}
"""The SHA-256 of each text, unpacked."""
BODY = 500
"""Characters of a pair's second text, at most."""

_FUNCTION = re.compile(
    r'^(?P<indent>[ ]*)def (?P<name>\w+)\((?P<signature>[^\n]*)\):\n(?P=indent)    """(?P<doc>[^"\\]{20,400}?)"""\n'
    r"(?P<body>(?:(?P=indent)    [^\n]*\n|\n)+)",
    re.MULTILINE,
)


@cache
def load(name: str) -> bytes:
    """Return a text: ASCII bytes, about a million. Records (chapters, docstrings) are parted by an empty line.

    Raises:
        ValueError: there is no such text, or its file is not the frozen one.
    """
    if name not in SUMS:
        raise ValueError(f"there is no text {name!r}; there are {', '.join(SUMS)}")
    path = Path(__file__).parent / "texts" / f"{name}.txt.xz"
    try:
        data = lzma.decompress(path.read_bytes())
    except lzma.LZMAError as error:
        raise ValueError(f"{path} is damaged ({error}); install the package again") from error
    if hashlib.sha256(data).hexdigest() != SUMS[name]:
        raise ValueError(f"{path} is not the frozen text; install the package again")
    return data


def pairs(name: str) -> list[tuple[str, str]]:
    """Return pairs for retrieval, in the text's order: what is asked with, and what it should find.

    kjv: the first two verses of a chapter, and the next four. docs: a docstring's summary, and its body.
    python: the name, signature and summary of a function, and its code.

    Raises:
        ValueError: as :func:`load`.
    """
    text = load(name).decode("ascii")
    found = _functions(text) if name == "python" else _records(text, 2 if name == "kjv" else 1)
    once: dict[str, str] = {}
    for first, second in found:
        once.setdefault(first, second[:BODY])
    return list(once.items())


def _records(text: str, head: int) -> list[tuple[str, str]]:
    """Cut each record after ``head`` lines; of verses, four follow."""
    records = [record.split("\n") for record in text.strip().split("\n\n")]
    rest = 4 if head == 2 else None
    return [
        (" ".join(lines[:head]), " ".join(lines[head : head + rest if rest else None]))
        for lines in records
        if len(lines) >= (head + rest if rest else head + 1)
    ]


def _functions(text: str) -> list[tuple[str, str]]:
    """Find the functions that have a docstring and at least a few lines of code."""
    found = []
    for match in _FUNCTION.finditer(text):
        summary = " ".join(match["doc"].split("\n\n")[0].split())
        code = " ".join(match["body"].split())
        if len(code) >= 80:
            found.append((f"{match['name']}({match['signature']}): {summary}", code))
    return found
