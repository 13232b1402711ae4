"""Where some lines occur among others: exactly, or but for a common shift of indentation, tabs for spaces, and white
space at the ends of lines. Nothing fuzzier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_TABS = (4, 2, 8, 3, 1)
"""How many columns a tab may stand for, likeliest first."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How text is to be indented so that it fits a place.

    ``less`` and ``more`` are taken from and put before each indentation, where every line of the text allows it, and
    are None where that does not explain the place. Else ``gap`` more columns, a tab being ``tab`` of them; ``seen`` are the
    indentations whose counterpart is known.
    """

    less: str | None
    more: str | None
    seen: Mapping[str, str]
    gap: int
    tab: int
    tabs: bool

    def apply(self, lines: Sequence[str]) -> list[str] | None:
        """Return the lines indented for the place, or None if one would begin left of the margin."""
        less, more = self.less, self.more
        if less is not None and more is not None and all(line.startswith(less) for line in lines if line.strip()):
            return [more + line[len(less) :] if line.strip() else line for line in lines]
        shifted = []
        for line in lines:
            before = _indent(line)
            if line.strip():
                after = self.seen.get(before)
                if after is None:
                    columns = _width(before, self.tab) + self.gap
                    if columns < 0:
                        return None
                    after = _spaces(columns, self.tab if self.tabs else 0)
                line = after + line[len(before) :]
            shifted.append(line)
        return shifted


def find(search: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Return where ``search`` occurs exactly among ``lines``."""
    return list(_occurrences(search, lines))


def find_shifted(search: Sequence[str], lines: Sequence[str], most: int = 100) -> list[tuple[int, Shift]]:
    """Return up to ``most`` places where ``search`` occurs, and how text is to be indented there."""
    found: list[tuple[int, Shift]] = []
    tabs = any(line.startswith("\t") for line in lines)
    for at in _occurrences([line.strip(" \t") for line in search], [line.strip(" \t") for line in lines]):
        shift = _shift(search, lines[at : at + len(search)], tabs)
        if shift is not None:
            found.append((at, shift))
            if len(found) == most:
                break
    return found


def _occurrences(search: Sequence[str], lines: Sequence[str]) -> Iterator[int]:
    """Search as text, which is linear, and count the lines passed."""
    text, wanted = "\n" + "\n".join(lines) + "\n", "\n" + "\n".join(search) + "\n"
    at, line, counted = text.find(wanted), 0, 0
    while at >= 0:
        line += text.count("\n", counted, at)
        counted = at
        yield line
        at = text.find(wanted, at + 1)


def _shift(search: Sequence[str], window: Sequence[str], tabs: bool) -> Shift | None:
    pairs = [(_indent(s), _indent(w)) for s, w in zip(search, window, strict=True) if s.strip()]
    fitting = []
    for tab in _TABS:
        gaps = {_width(there, tab) - _width(here, tab) for here, there in pairs}
        if len(gaps) == 1:
            fitting.append((gaps.pop(), tab))
    less, more = _prefixes(pairs)
    if not fitting and less is None:
        return None
    gap, tab = next((pair for pair in fitting if pair[0] == 0), fitting[0] if fitting else (0, _TABS[0]))
    indented = [there for _, there in pairs if there]
    tabbed = any("\t" in there for there in indented) if indented else tabs
    return Shift(less, more, dict(reversed(pairs)), gap, tab, tabbed)


def _prefixes(pairs: Sequence[tuple[str, str]]) -> tuple[str | None, str | None]:
    """Return what to take from the front of the first of each pair and what to put there, to get the second."""
    here, there = pairs[0]
    less = here.removesuffix(there) if here.endswith(there) else ""
    more = there.removesuffix(here) if there.endswith(here) else ""
    if all(h.startswith(less) and more + h[len(less) :] == t for h, t in pairs):
        return less, more
    return None, None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _width(indent: str, tab: int) -> int:
    return len(indent.expandtabs(tab))


def _spaces(columns: int, tab: int) -> str:
    return "\t" * (columns // tab) + " " * (columns % tab) if tab else " " * columns
