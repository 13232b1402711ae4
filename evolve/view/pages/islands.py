"""The islands of a run: how each fared, who made its programs, and who came over from another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolve.archive import RunInfo
from evolve.archive.browsing import Node
from evolve.view.drawing.axes import thinned
from evolve.view.drawing.plots import Series, chart
from evolve.view.drawing.scores import most
from evolve.view.drawing.tree import described
from evolve.view.shown import Shown, Visit

CHARTS, DOTS = 16, 400
"""Islands that have a chart of their own, and programs in one."""


@dataclass(frozen=True, slots=True)
class Fared:
    """How an island fared. ``came`` are its programs whose parent another island made."""

    number: int
    nodes: Sequence[Node]
    scored: Sequence[Node]
    best: Node | None
    generations: int
    came: int
    arms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Crossing:
    """What parents from one island led to on another: programs, those better than their parent, and the best of them."""

    source: int
    target: int
    programs: int
    improved: int
    best: Node | None


def islands(visit: Visit) -> Shown:
    """Show the islands of a run."""
    archive = visit.archive
    info = archive.run(visit.path["run"])
    nodes = archive.tree(info.name)
    sign = info.sign
    crossed = _crossed(nodes)
    fared, crossings = _fared(nodes, crossed, sign), _crossings(crossed, sign)
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
                "island": one.number, "programs": len(one.nodes), "scored": len(one.scored), "generations": one.generations,
                "came": one.came, "best": _plain(one.best), "arms": one.arms,
            }
            for one in fared
        ],
        "crossings": [
            {
                "source": one.source, "target": one.target, "programs": one.programs, "improved": one.improved,
                "best": _plain(one.best),
            }
            for one in crossings
        ],
    }  # fmt: skip
    return Shown("islands.html.j2", values, data)


def _crossed(nodes: Sequence[Node]) -> list[tuple[Node, Node]]:
    """Return parent and child where the parent was made on another island. What a run starts from is on all of them."""
    known = {node.number: node for node in nodes}
    pairs = ((known[node.parent], node) for node in nodes if node.parent is not None)
    return [(parent, node) for parent, node in pairs if parent.island != node.island and parent.number > 0]


def _fared(nodes: Sequence[Node], crossed: Sequence[tuple[Node, Node]], sign: float) -> list[Fared]:
    """Return how each island fared, by number."""
    at: dict[int, list[Node]] = {}
    for node in nodes:
        at.setdefault(node.island, []).append(node)
    came = Counter(child.island for _, child in crossed)
    return [
        Fared(
            number, there, [node for node in there if node.score is not None], _best(there, sign),
            max(node.generation for node in there), came[number], dict(Counter(node.arm for node in there).most_common()),
        )
        for number, there in sorted(at.items())
    ]  # fmt: skip


def _crossings(crossed: Sequence[tuple[Node, Node]], sign: float) -> list[Crossing]:
    """Return what came of programs that changed their island, the most frequent way first."""
    ways: dict[tuple[int, int], list[tuple[Node, Node]]] = {}
    for parent, child in crossed:
        ways.setdefault((parent.island, child.island), []).append((parent, child))
    found = [
        Crossing(
            *way, len(pairs), sum(_improved(*pair, sign) for pair in pairs), _best([child for _, child in pairs], sign)
        )
        for way, pairs in ways.items()
    ]
    return sorted(found, key=lambda one: (-one.programs, one.source, one.target))


def _improved(parent: Node, child: Node, sign: float) -> bool:
    """Return whether a child is better than its parent."""
    return child.score is not None and (parent.score is None or sign * (child.score - parent.score) > 0)


def _best(nodes: Sequence[Node], sign: float) -> Node | None:
    """Return the best of some programs, the oldest of equals."""
    scored = (node for node in nodes if node.score is not None)
    return max(scored, key=lambda node: sign * (node.score or 0.0), default=None)


def _plain(node: Node | None) -> dict[str, Any] | None:
    return None if node is None else node._asdict()


def _picture(one: Fared, info: RunInfo, sign: float, window: tuple[float, float] | None, last: int) -> str:
    """Return the chart of an island's scores, drawn on the same axes as those of the others."""
    points = [(float(node.number), node.score or 0.0) for node in one.scored]
    steps: list[tuple[float, float]] = []
    for at, score in points:
        if not steps or sign * (score - steps[-1][1]) > 0:
            steps.append((at, score))
    if steps:
        steps.append((float(last), steps[-1][1]))
    drawn = thinned(points, DOTS, fill=True)
    dots = Series(
        "programs" if len(drawn) == len(points) else f"{len(drawn)} of {len(points)} programs",
        [points[place] for place in drawn],
        "dots",
        labels=[described(one.scored[place]) for place in drawn],
        links=[f"/runs/{info.name}/programs/{one.scored[place].id}" for place in drawn],
    )
    return chart(
        [Series("best so far", steps, "step"), dots],
        title=f"Island {one.number}", x="attempt", y="score", width=420, height=220, within=window,
    )  # fmt: skip
