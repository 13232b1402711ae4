"""The lineage of a run as a tree, laid out and drawn on the server.

`grown` makes a tree of programs, of many the ones worth showing; `laid_out` gives each its place; `drawing` makes one ``<svg>``
of them: generations from left to right, the line that led to the best program straight along the top, the rest below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from markupsafe import Markup

from evolve.archive.browsing import Node
from evolve.view.drawing.axes import short
from evolve.view.drawing.svg import FAINT, HALO, INK, SIZE, colour, cut, legend, line, safe, swatches, text, tooltip

ROW, NARROW, WIDE, LEFT, HEAD = 14.0, 34.0, 110.0, 20.0, 52.0
"""Pixels: between rows, between generations at least and at most, and what is left free on the left and on top."""

SPAN = 1150.0
"""Pixels over which the generations of a small tree are spread."""

BEST, FAILED = "var(--good, #1c6b3a)", "var(--bad, #a3262f)"

Look = Callable[[Node], tuple[str, float]]
"""The colour of a program with a score, and how much of it, from 0 to 1."""


@dataclass(slots=True)
class Branch:
    """A program of a tree with what is shown beneath it. ``counted`` is not 0 where it stands for so many programs beneath
    ``node`` that are not shown. ``lit``: on the line to the best program, ``beside``: the count of one that is. ``height``:
    generations shown beneath it.
    """

    node: Node
    lit: bool = False
    counted: int = 0
    beside: bool = False
    height: int = 0
    children: list[Branch] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a branch stands, in whole rows and columns."""

    branch: Branch
    row: int
    column: int


def beneath(nodes: Sequence[Node], root: int) -> list[Node]:
    """Return the program ``root`` and all that came of it; ``nodes`` have parents before their children."""
    inside, found = {root}, []
    for node in nodes:
        if node.number == root or node.parent in inside:
            inside.add(node.number)
            found.append(node)
    return found


def without_best(nodes: Sequence[Node], sign: float) -> list[Node]:
    """Return ``nodes``, of which the first is the root, without the child of the root that led to the best, and its own."""
    line = line_to(ranked(nodes, sign)[0], {node.number: node for node in nodes})
    gone = {node.number for node in beneath(nodes, line[1].number)} if len(line) > 1 else set()
    return [node for node in nodes if node.number not in gone]


def ranked(nodes: Sequence[Node], sign: float) -> list[Node]:
    """Return programs, the best first and of equals the oldest, those without a score last; ``sign`` is -1 where a smaller score
    is better.
    """
    scored = [node for node in nodes if node.score is not None]
    scored.sort(key=attrgetter("score"), reverse=sign > 0)
    return scored + [node for node in nodes if node.score is None]


def line_to(node: Node | None, known: Mapping[int, Node]) -> list[Node]:
    """Return a program and its ancestors among ``known``, the oldest first."""
    found: list[Node] = []
    while node is not None:
        found.append(node)
        node = None if node.parent is None else known.get(node.parent)
    return found[::-1]


def grown(nodes: Sequence[Node], best_first: Sequence[Node], most: int) -> list[Branch]:
    """Return the tree of ``nodes`` by its roots, the one that led to the best program first.

    Of more than ``most`` programs the best are shown with the lines that led to them, half of ``most`` in all, so that there is
    room beside each for the number of those beneath it that lead to nothing better.

    Args:
        nodes: programs, parents before their children.
        best_first: the same, `ranked`.
        most: how many can be drawn.
    """
    known = {node.number: node for node in nodes}
    shown = set(known) if len(nodes) <= most else _chosen(best_first, known, most // 2)
    lit = (
        {one.number for one in line_to(best_first[0], known)}
        if best_first and best_first[0].score is not None
        else set()
    )
    branches: dict[int, Branch] = {}
    home: dict[int | None, Branch | None] = {}  # of each program the nearest shown one of its line
    hidden: dict[int, int] = {}
    roots: list[Branch] = []
    for node in nodes:
        above = home.get(node.parent)
        if node.number in shown:
            home[node.number] = branches[node.number] = branch = Branch(node, node.number in lit)
            (roots if above is None else above.children).append(branch)
            continue
        home[node.number] = above
        if above is not None:
            hidden[above.node.number] = hidden.get(above.node.number, 0) + 1
    for number, count in hidden.items():
        branches[number].children.append(Branch(branches[number].node, counted=count, beside=branches[number].lit))
    for branch in reversed(branches.values()):
        branch.height = 1 + max((child.height for child in branch.children), default=-1)
        _order(branch.children)
    _order(roots)
    return roots


def laid_out(roots: Sequence[Branch]) -> list[Place]:
    """Return where each branch stands, parents before their children.

    A branch's column is its generation. A first child has the row of its parent; every other one the first row below in which
    the longest line from it has room. So no two share a place and no two connections cross. The time is in proportion to the
    number of branches: only later children look for a row, as far as their longest line reaches, and as that line is made of
    first children, no branch is on two of them.
    """
    free = [0] * (2 + max((root.height for root in roots), default=0))
    places: list[Place] = []
    waiting: list[tuple[Branch, int, int | None]] = [(root, 0, None) for root in reversed(roots)]
    while waiting:
        branch, column, row = waiting.pop()
        if row is None:
            row = max(free[column : column + branch.height + 1])
        free[column] = row + 1
        places.append(Place(branch, row, column))
        for place, child in reversed(list(enumerate(branch.children))):
            waiting.append((child, column + 1, None if place else row))
    return places


def drawing(
    places: Sequence[Place],
    *,
    title: str,
    look: Look,
    key: Sequence[tuple[int, str]],
    link: Callable[[Node], str],
    more: Callable[[Branch], str],
) -> Markup:
    """Return the tree as one ``<svg>``. The Tab key stops at the line to the best program and at the counts beside it.

    Args:
        places: where its branches stand.
        title: its name.
        look: how a program with a score is filled.
        key: which colours mean what, by their place; none where the colour stands for the score.
        link: the address of a program's page.
        more: the address of what a count stands for.
    """
    columns = 1 + max((place.column for place in places), default=0)
    step = min(WIDE, max(NARROW, SPAN / columns))
    rows = swatches(key, SPAN)
    top = HEAD + 20 * max(0, len(rows) - 1)
    width = max(LEFT * 2 + step * columns, 640.0)
    height = top + ROW * (1 + max((place.row for place in places), default=0)) + ROW
    body = legend(rows, LEFT, 12, 20) if key else list(_scale())
    first = places[0].branch.node.generation if places else 0
    every = max(1, round(60 / step))
    for column in range(0, columns, every):
        if column == 0:
            body.append(text(LEFT - 4, top - 14, f"generation {first}", fill=FAINT))
        elif step * column > 110:  # beside the word
            body.append(text(LEFT + step * column, top - 14, str(first + column), anchor="middle", fill=FAINT))
    at = {id(place.branch): (LEFT + step * place.column, top + ROW * place.row) for place in places}
    body.append(
        f'<path d="{"".join(_connections(places, at, step))}" fill="none" stroke="{FAINT}" stroke-opacity="0.5"/>'
    )
    body += _best_line(places, at)
    for place in places:
        x, y = at[id(place.branch)]
        body.append(_count(place.branch, x, y, more) if place.branch.counted else _dot(place.branch, x, y, look, link))
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tree" role="group" aria-label="{safe(title)}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="{SIZE}">{"".join(body)}</svg>'
    )


def described(node: Node) -> str:
    """Return what is shown where the pointer rests on a program."""
    seen = node.status if node.score is None else f"{node.score!r}"
    return (
        f"{node.id}: {seen}, by {cut(node.arm, 60)}, attempt {node.number}, generation {node.generation}, "
        f"island {node.island}"
    )


def _chosen(best_first: Sequence[Node], known: Mapping[int, Node], most: int) -> set[int]:
    """Return the numbers of the best programs and of all their ancestors, about ``most`` in all, and of all that have none."""
    chosen = {node.number for node in best_first if node.parent is None or node.parent not in known}
    for node in best_first:
        if len(chosen) >= most:
            break
        one: Node | None = node
        while one is not None and one.number not in chosen:
            chosen.add(one.number)
            one = None if one.parent is None else known.get(one.parent)
    return chosen


def _order(branches: list[Branch]) -> None:
    """Put the branch first that leads to the best program, or else reaches farthest; then the shorter ones, which find room
    close to their parent.
    """
    branches.sort(key=lambda branch: branch.height)
    if branches:
        place = max(range(len(branches)), key=lambda place: (branches[place].lit, branches[place].height, -place))
        branches.insert(0, branches.pop(place))


def _connections(places: Sequence[Place], at: Mapping[int, tuple[float, float]], step: float) -> Iterator[str]:
    """Yield the lines from each program to its children: one down between the columns, and one to each child."""
    for place in places:
        if below := place.branch.children:
            x, y = at[id(place.branch)]
            ends = [at[id(child)] for child in below]
            across = x + step * 0.55
            yield f"M{x:.1f} {y:.1f}H{ends[0][0]:.1f}"
            if len(ends) > 1:
                yield f"M{across:.1f} {y:.1f}V{ends[-1][1]:.1f}"
            for child_x, child_y in ends[1:]:
                yield f"M{across:.1f} {child_y:.1f}H{child_x:.1f}"


def _best_line(places: Sequence[Place], at: Mapping[int, tuple[float, float]]) -> Iterator[str]:
    """Yield the line to the best program: its programs share a row."""
    ends = [at[id(place.branch)] for place in places if place.branch.lit]
    if len(ends) > 1:
        yield line(*ends[0], *ends[-1], BEST, ' stroke-width="3" stroke-opacity="0.55"')


def _dot(branch: Branch, x: float, y: float, look: Look, link: Callable[[Node], str]) -> str:
    """Return a program: filled where it has a score, hollow where it failed, ringed on the line to the best."""
    node, stop = branch.node, "" if branch.lit else ' tabindex="-1"'
    place = f'cx="{x:.1f}" cy="{y:.1f}"'
    if node.score is None:
        shape = f'<circle {place} r="3" fill="var(--panel, #fff)" stroke="{FAILED}"/>'
    else:
        fill, strength = look(node)
        shape = f'<circle {place} r="4" fill="var(--panel, #fff)"/>'  # hides the lines behind it
        shape += f'<circle {place} r="4" fill="{fill}" fill-opacity="{strength:.2f}"/>'
    ring = f'<circle {place} r="5.5" fill="none" stroke="{BEST}" stroke-width="1.5"/>' if branch.lit else ""
    return f'<a href="{safe(link(node))}"{stop}>{tooltip(described(node))}{shape}{ring}</a>'


def _count(branch: Branch, x: float, y: float, more: Callable[[Branch], str]) -> str:
    """Return the number of programs that are not shown, as a link to them."""
    said = f"{branch.counted} more beneath {branch.node.id} that lead to nothing better"
    stop = "" if branch.beside else ' tabindex="-1"'
    shown = text(x - 8, y + 3.5, f"+{short(branch.counted)}", fill=FAINT, extra=f' font-size="10"{HALO}')
    return f'<a href="{safe(more(branch))}"{stop}>{tooltip(said)}{shown}</a>'


def _scale() -> Iterator[str]:
    """Yield what the strength of a colour means."""
    yield text(LEFT - 4, 16, "worse", fill=FAINT)
    for place, strength in enumerate((0.25, 0.44, 0.63, 0.81, 1)):
        yield f'<circle cx="{LEFT + 42 + 13 * place:.0f}" cy="12" r="5" fill="{colour(0)}" fill-opacity="{strength}"/>'
    yield text(LEFT + 106, 16, "better", fill=FAINT)
    yield f'<circle cx="{LEFT + 166:.0f}" cy="12" r="4" fill="none" stroke="{FAILED}"/>'
    yield text(LEFT + 176, 16, "failed", fill=FAINT)
    yield f'<circle cx="{LEFT + 232:.0f}" cy="12" r="5.5" fill="none" stroke="{BEST}" stroke-width="1.5"/>'
    yield text(LEFT + 243, 16, "on the line to the best", fill=INK)
