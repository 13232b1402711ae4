"""Text as HTML, line by line, in colours where its language has a lexer.

All text is hostile. It is escaped here, and what a browser would hide is shown: control characters, marks that turn the
direction of writing around, spaces that are none. Long lines and long files are cut, and say so. Lexers are regular expressions,
some of which take quadratic time on text that nobody writes; such text stays without colours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import PurePosixPath
from re import compile as pattern
from typing import Any

from markupsafe import Markup
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from evolve.languages import LANGUAGES

LONGEST_LINE = 2_000
"""Characters of a line that are shown."""
MOST_LINES = 10_000
"""Lines of a file that are shown."""
MOST_COLOURED = 60_000
"""Characters of a file that is shown in colours."""
CUT = "cut"
"""The class of the words that stand for what is left out."""

Piece = tuple[str, str]
"""A class, or nothing, and a text within one line."""
Line = tuple[Piece, ...]
Span = tuple[int, int]
"""Characters of a line, from and to."""

CLASSES = frozenset({
    "k", "kc", "ow", "cp", "c", "s", "sd", "se", "si", "m", "nb", "bp", "nc", "nd", "nf", "fm", "nt", "na",
    "gh", "gu", "gi", "gd", "ge", "gs",
})  # fmt: skip
"""The kinds of token that have a colour, as `pygments` calls them; others have that of the nearest kind above them, or none."""
PLAIN = frozenset({"text", "java"})
"""Languages without colours: the lexer of Java takes cubic time on prose."""

_BLANK = pattern(r"\s{200}")
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters that look like spaces."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})


def split(text: str) -> list[str]:
    """Return the lines of a text as editors count them: a line feed ends one, with or without a carriage return before it."""
    whole = text.replace("\r\n", "\n").split("\n")
    return whole[:-1] if whole[-1] == "" else whole


def coloured(whole: Sequence[str], path: str) -> list[Line]:
    """Return the pieces of each line, in the colours of the language that the suffix of ``path`` names; long ones are cut."""
    kept = [line[:LONGEST_LINE] for line in whole[:MOST_LINES]]
    found = _lexed("\n".join(kept), LANGUAGES.get(PurePosixPath(path).suffix.lower(), "text")) if kept else ()
    shown = [
        (*pieces, (CUT, f" … {len(line) - LONGEST_LINE:,} more characters")) if len(line) > LONGEST_LINE else pieces
        for pieces, line in zip(found, whole, strict=False)
    ]
    if len(whole) > MOST_LINES:
        shown.append(((CUT, f"… {len(whole) - MOST_LINES:,} more lines"),))
    return shown


def render(pieces: Sequence[Piece], marked: Sequence[Span] = (), tag: str = "mark") -> Markup:
    """Return a line as HTML, with the characters ``marked`` in elements ``tag``."""
    parts, at = [], 0
    for name, text in pieces:
        end = at + len(text)
        borders = sorted({at, end, *(edge for span in marked for edge in span if at < edge < end)})
        for low, high in pairwise(borders):
            part = _wrapped(name, text[low - at : high - at])
            inside = any(first <= low < last for first, last in marked)
            parts.append(Markup("<{0}>{1}</{0}>").format(tag, part) if inside else part)
        at = end
    return Markup("").join(parts)


def visible(text: str) -> Markup:
    """Return a text without colours, for an element that keeps its lines."""
    return Markup("\n").join(render(line) for line in coloured(split(text), ""))


def named(text: str) -> str:
    """Return a text that hides nothing, for a place that is no HTML."""
    return "".join(f"⟨{_point(one)}⟩" if one != "\n" and _hidden(one) else one for one in text.replace("\r\n", "\n"))


@lru_cache(maxsize=64)
def _lexed(text: str, language: str) -> tuple[Line, ...]:
    """Return the pieces of each line of a text, remembered: a page shows a program more than once."""
    if language in PLAIN or len(text) > MOST_COLOURED or _BLANK.search(text):
        return tuple((("", line),) for line in text.split("\n"))
    rows: list[list[Piece]] = [[]]
    for name, group in groupby(_tokens(text, language), key=itemgetter(0)):
        value = "".join(part for _, part in group)
        first, *rest = value.split("\n")
        rows[-1].append((name, first))
        rows += [[(name, part)] for part in rest]
    return tuple(tuple(row) for row in rows)


def _tokens(text: str, language: str) -> list[Piece]:
    """Return the tokens of a text with their classes; one without a class where there is no lexer, or one that loses text."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return [("", text)]
    ended = text + "\n"  # as some rules of lexers want it
    found = [(_class(kind), value) for _, kind, value in lexer.get_tokens_unprocessed(ended) if value]
    if "".join(value for _, value in found) != ended:
        return [("", text)]
    name, last = found[-1]
    return [*found[:-1], (name, last[:-1])]


def _class(kind: Any) -> str:
    """Return the class of the nearest kind of token that has a colour."""
    return next((name for one in reversed(kind.split()) if (name := STANDARD_TYPES.get(one, "")) in CLASSES), "")


def _wrapped(name: str, text: str) -> Markup:
    inner = _escaped(text)
    return Markup('<span class="{}">{}</span>').format(name, inner) if name else inner


def _escaped(text: str) -> Markup:
    """Return ``text`` escaped, with what a browser would hide named by its code point."""
    if text.isascii() and text.isprintable():
        return Markup.escape(text)
    return Markup("").join(_named(character) if _hidden(character) else character for character in text)


def _hidden(character: str) -> bool:
    if character in " \t":
        return False
    return character in _FILLERS or unicodedata.category(character) in _HIDDEN


def _named(character: str) -> Markup:
    point = _point(character)
    return Markup('<span class="odd" title="{}">{}</span>').format(unicodedata.name(character, point), point)


def _point(character: str) -> str:
    return f"U+{ord(character):04X}"
