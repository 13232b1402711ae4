"""The islands of a run: how each fared, who made its programs, and who came over from another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from evolve.archive import RunInfo
from evolve.archive.browsing import Node
from evolve.view.axes import thinned
from evolve.view.plots import Series, chart
from evolve.view.scores import most
from evolve.view.shown import Shown, Visit
from evolve.view.tree import described

CHARTS, DOTS = 16, 400
"""Islands that have a chart of their own, and programs in one."""


@dataclass(slots=True)
class Fared:
    """How an island fared. ``came`` are its programs whose parent another island made."""

    number: int
    programs: int = 0
    scored: int = 0
    generations: int = 0
    came: int = 0
    best: Node | None = None
    arms: Counter[str] = field(default_factory=Counter)
    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Crossing:
    """What parents from one island led to on another: programs, those better than their parent, and the best of them."""

    source: int
    target: int
    programs: int = 0
    improved: int = 0
    best: Node | None = None


def islands(visit: Visit) -> Shown:
    """Show the islands of a run."""
    archive = visit.archive
    info = archive.run(visit.path["run"])
    nodes = archive.tree(info.name)
    sign = -1.0 if info.direction == "minimize" else 1.0
    fared, crossings = _fared(nodes, sign), _crossings(nodes, sign)
    window = most([node.score for node in nodes if node.score is not None])
    last = max((node.number for node in nodes), default=0)
    values = {
        "run": info,
        "islands": fared,
        "crossings": crossings,
        "pictures": [_picture(one, info, sign, window, last) for one in fared[:CHARTS]] if len(nodes) > 1 else [],
        "undrawn": max(0, len(fared) - CHARTS),
        "search": info.config.get("search", {}),
    }
    data = {
        "islands": [
            {
                "island": one.number, "programs": one.programs, "scored": one.scored, "generations": one.generations,
                "came": one.came, "best": None if one.best is None else asdict(one.best), "arms": dict(one.arms),
            }
            for one in fared
        ],
        "crossings": [asdict(one) for one in crossings],
    }  # fmt: skip
    return Shown("islands.html.j2", values, data)


def _fared(nodes: Sequence[Node], sign: float) -> list[Fared]:
    """Return how each island fared, by number."""
    known = {node.number: node for node in nodes}
    found: dict[int, Fared] = {}
    for node in nodes:
        one = found.setdefault(node.island, Fared(node.island))
        one.programs += 1
        one.generations = max(one.generations, node.generation)
        one.came += _came_over(node, known)
        one.arms[node.arm] += 1
        one.nodes.append(node)
        if node.score is not None:
            one.scored += 1
            one.best = _better(node, one.best, sign)
    return [found[number] for number in sorted(found)]


def _crossings(nodes: Sequence[Node], sign: float) -> list[Crossing]:
    """Return what came of programs that changed their island, the most frequent way first."""
    known = {node.number: node for node in nodes}
    found: dict[tuple[int, int], Crossing] = {}
    for node in nodes:
        if not _came_over(node, known) or node.parent is None:
            continue
        parent = known[node.parent]
        one = found.setdefault((parent.island, node.island), Crossing(parent.island, node.island))
        one.programs += 1
        if node.score is not None:
            one.improved += parent.score is None or sign * (node.score - parent.score) > 0
            one.best = _better(node, one.best, sign)
    return sorted(found.values(), key=lambda one: (-one.programs, one.source, one.target))


def _came_over(node: Node, known: dict[int, Node]) -> bool:
    """Return whether a program's parent was made on another island. What a run starts from is on all of them."""
    parent = None if node.parent is None else known.get(node.parent)
    return parent is not None and parent.number > 0 and parent.island != node.island


def _better(node: Node, than: Node | None, sign: float) -> Node:
    """Return the better of two programs, the older of equals."""
    if than is None or than.score is None or node.score is None:
        return node
    return node if sign * (node.score - than.score) > 0 else than


def _picture(one: Fared, info: RunInfo, sign: float, window: tuple[float, float] | None, last: int) -> str:
    """Return the chart of an island's scores, drawn on the same axes as those of the others."""
    scored = [(node, node.score) for node in one.nodes if node.score is not None]
    steps: list[tuple[float, float]] = []
    for node, score in scored:
        if not steps or sign * (score - steps[-1][1]) > 0:
            steps.append((float(node.number), score))
    if steps:
        steps.append((float(last), steps[-1][1]))
    points = [(float(node.number), score) for node, score in scored]
    drawn = thinned(points, DOTS, fill=True)
    dots = Series(
        "programs",
        [points[place] for place in drawn],
        "dots",
        labels=[described(scored[place][0]) for place in drawn],
        links=[f"/runs/{info.name}/programs/{scored[place][0].id}" for place in drawn],
    )
    return chart(
        [Series("best so far", steps, "step"), dots],
        title=f"Island {one.number}", x="attempt", y="score", width=420, height=220, within=window,
    )  # fmt: skip
