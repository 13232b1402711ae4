"""Program text on a page: lines in colours, and two texts side by side.

What is returned may stand in a page as it is: `evolve.view.text` escapes it. It belongs into an element of the class ``code``
that keeps spaces, and `styles` gives its colours. Whatever the texts, comparing them ends within seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from markupsafe import Markup

from evolve.records import Sources
from evolve.view.text import Span, coloured, render, split, visible

__all__ = ["Row", "changes", "lines", "side_by_side", "styles", "visible"]

MOST_COMPARED = 6_000
"""Changed lines of both texts that are compared one by one."""
MOST_ALIKE = 20_000
"""Pairs of equal lines, or words, up to which none is too frequent to be compared."""
MOST_MARKED = 400
"""Changed lines whose changed words are marked."""
MOST_PAIRED = 900
"""Pairs of changed lines of which the most similar ones are looked for."""
LONGEST_MARKED = 400
"""Characters of a line whose changed words are marked."""
SIMILAR = 0.5
"""How much of two lines is the same where one became the other; with less it was replaced."""

COLOURS = {
    "comment": ("#5b6672", "#aab6c2"),
    "keyword": ("#8a2252", "#f08fb8"),
    "constant": ("#7a4a00", "#e5b567"),
    "string": ("#1a6236", "#8fd19e"),
    "name": ("#1f5582", "#8ab8ea"),
    "builtin": ("#5b3f99", "#c3a6ff"),
    "added": ("#d3f0db", "#174a2c"),
    "removed": ("#fadcdc", "#5c2329"),
}
"""The colours of words and, for the last two, behind them: in light, in dark."""
COLOURED = {
    "comment": "c sd",
    "keyword": "k ow cp gd",
    "constant": "kc m se",
    "string": "s si gi",
    "name": "nf fm nc nd gh gu",
    "builtin": "nb bp nt na",
}
"""Which classes of `pygments` have them."""
RULES = (
    ".code .c, .code .ge { font-style: italic; }",
    ".code .gh, .code .gu, .code .gs { font-weight: bold; }",
    ".code ins { background: var(--code-added); text-decoration: none; border-radius: 2px; }",
    ".code del { background: var(--code-removed); text-decoration: none; border-radius: 2px; }",
    ".odd { color: var(--bad, #a3261b); border: 1px solid currentColor; border-radius: 3px; font-size: smaller; }",
    ".code .cut { color: var(--faint, #5b6672); font-style: italic; }",
)

NOTHING = Markup("")
Kind = Literal["same", "changed", "added", "removed", "skipped"]
Pair = tuple[int | None, int | None]
"""A line of the old text and what became of it, by their places."""
Block = tuple[str, int, int, int, int]
"""As `difflib` calls it: what happened, from where to where in the old text, and in the new one."""

_WORD = re.compile(r"\d[\w.]*|\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of two texts side by side: what it says in each, with its number there; None where it has no such line.

    Of a ``changed`` line the words that differ stand in ``<del>`` and ``<ins>``, unless it was replaced as a whole. A row that is
    ``skipped`` stands for as many equal lines.
    """

    kind: Kind
    old_number: int | None = None
    old: Markup = NOTHING
    new_number: int | None = None
    new: Markup = NOTHING
    skipped: int = 0


def lines(text: str, path: str = "") -> list[Markup]:
    """Return the lines of a file, in the colours of the language that the suffix of ``path`` names."""
    return [render(line) for line in coloured(split(text), path)]


def side_by_side(old: str, new: str, path: str = "", context: int = 3) -> list[Row]:
    """Return two texts side by side; nothing where their lines are the same.

    Equal lines farther than ``context`` from a change are skipped.
    """
    before, after = split(old), split(new)
    if before == after:
        return []
    left, right = coloured(before, path), coloured(after, path)
    pairs = [pair for pair in _pairs(before, after) if _shown(pair, len(left), len(right))]
    both = [(before[i], after[j]) if i is not None and j is not None else None for i, j in pairs]
    kept = _kept([two is not None and two[0] == two[1] for two in both], context)
    rows, skipped, budget = [], 0, MOST_MARKED
    for (i, j), two, keep in zip(pairs, both, kept, strict=True):
        skipped += not keep
        if keep:
            rows += [Row("skipped", skipped=skipped)] if skipped else []
            skipped = 0
            same = two is None or two[0] == two[1]
            gone, come = _marks(*two) if two is not None and not same and budget > 0 else ([], [])
            budget -= not same
            kind: Kind = "added" if i is None else "removed" if j is None else "same" if same else "changed"
            old_line = NOTHING if i is None else render(left[i], gone, "del")
            new_line = NOTHING if j is None else render(right[j], come, "ins")
            rows.append(Row(kind, _number(i), old_line, _number(j), new_line))
    return [*rows, Row("skipped", skipped=skipped)] if skipped else rows


def changes(old: Sources, new: Sources) -> dict[str, list[Row]]:
    """Return two programs side by side: the rows of each file that differs, a file that one of them lacks being empty there."""
    pairs = {path: (old.get(path, ""), new.get(path, "")) for path in sorted({*old, *new})}
    return {path: side_by_side(before, after, path) for path, (before, after) in pairs.items() if before != after}


def _number(at: int | None) -> int | None:
    return None if at is None else at + 1


def _shown(pair: Pair, left: int, right: int) -> bool:
    """Return whether a line is among those that are shown; of the others the last one shown says how many there are."""
    i, j = pair
    return (i is None or i < left) and (j is None or j < right)


def _kept(same: Sequence[bool], context: int) -> list[bool]:
    """Return which rows are near a change; one alone is never skipped, its place would be taken by the words that say so."""
    near = [False] * len(same)
    for places in (range(len(same)), range(len(same) - 1, -1, -1)):
        since = context + 1
        for at in places:
            since = since + 1 if same[at] else 0
            near[at] |= since <= context
    for at, keep in enumerate(near):
        if not keep and all(near[max(at - 1, 0) : at] + near[at + 1 : at + 2]):
            near[at] = True
    return near


def _pairs(old: Sequence[str], new: Sequence[str]) -> Iterator[Pair]:
    """Yield which line of the old text stands beside which of the new one, in order."""
    for kind, low, high, first, last in _blocks(old, new):
        if kind == "equal":
            yield from zip(range(low, high), range(first, last), strict=True)
        else:
            for i, j in _partners(old[low:high], new[first:last]):
                yield None if i is None else low + i, None if j is None else first + j


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[Block]:
    """Yield what is equal and what is not.

    What both begin and end with is set apart first. The time that `difflib` takes for the rest grows with the pairs of equal
    lines: where there are very many, its own rule leaves the most frequent lines out, and what is far too long is not compared.
    """
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    found: Sequence[Block] = [("replace", 0, len(a), 0, len(b))]
    if len(a) + len(b) <= MOST_COMPARED:
        found = SequenceMatcher(None, a, b, autojunk=_alike(a, b) > MOST_ALIKE).get_opcodes()
    yield "equal", 0, head, 0, head
    yield from ((kind, head + low, head + high, head + first, head + last) for kind, low, high, first, last in found)
    yield "equal", len(old) - tail, len(old), len(new) - tail, len(new)


def _alike(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how many pairs of them are equal."""
    counts = Counter(b)
    return sum(count * counts[one] for one, count in Counter(a).items())


def _partners(a: Sequence[str], b: Sequence[str]) -> list[Pair]:
    """Return the lines of a changed block beside each other, so that the similar ones meet and the others fill the gaps."""
    found: list[Pair] = []
    i = j = 0
    for p, q in [*_similar(a, b), (len(a), len(b))]:
        found += [(i + k if i + k < p else None, j + k if j + k < q else None) for k in range(max(p - i, q - j))]
        if p < len(a) and q < len(b):
            found.append((p, q))
        i, j = p + 1, q + 1
    return found


def _similar(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of lines, in the order of both, whose similarities sum to the most."""
    if len(a) * len(b) > MOST_PAIRED:
        return []
    words, others = [_words(line) for line in a], [_words(line) for line in b]
    alike = [[_likeness(x, y) for y in others] for x in words]
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + alike[i][j])
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _words(line: str) -> Counter[str]:
    return Counter(word for word in _WORD.findall(line[:LONGEST_MARKED]) if not word.isspace())


def _likeness(x: Counter[str], y: Counter[str]) -> float:
    """Return Dice's coefficient of the words of two lines; 0 where it says that they are different lines."""
    total = x.total() + y.total()
    share = 2.0 * (x & y).total() / total if total else 1.0
    return share if share >= SIMILAR else 0.0


def _marks(old: str, new: str) -> tuple[list[Span], list[Span]]:
    """Return the characters of a changed line that went and that came; none where it was replaced."""
    if max(len(old), len(new)) > LONGEST_MARKED or not _likeness(_words(old), _words(new)):
        return [], []
    a, b = _WORD.findall(old), _WORD.findall(new)
    gone, come, i, j = [], [], 0, 0
    for kind, low, high, first, last in _blocks(a, b):
        went, came = len("".join(a[low:high])), len("".join(b[first:last]))
        if kind != "equal":
            gone += [(i, i + went)] if went else []
            come += [(j, j + came)] if came else []
        i, j = i + went, j + came
    return gone, come


def styles() -> str:
    """Return the style sheet.

    Its colours are custom properties, light or dark as the reader's system is set, unless ``data-theme`` of the root element says
    otherwise; what is printed is light.
    """
    light, dark = (" ".join(f"--code-{name}: {pair[at]};" for name, pair in COLOURS.items()) for at in (0, 1))
    rules = [
        f":root {{ {light} }}",
        f"@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}",
        f"@media screen {{ :root[data-theme=dark] {{ {dark} }} }}",
    ]
    for name, classes in COLOURED.items():
        where = ", ".join(f".code .{one}" for one in classes.split())
        rules.append(f"{where} {{ color: var(--code-{name}); }}")
    return "\n".join([*rules, *RULES, ""])
