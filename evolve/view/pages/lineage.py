"""The lineage of a run: who came of whom, as a tree, and the line that led to the best program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from evolve.archive.browsing import Node
from evolve.errors import ArchiveError
from evolve.view.drawing.svg import FAINT, colour
from evolve.view.drawing.tree import Branch, Look, beneath, drawing, grown, laid_out, line_to, ranked, without_best
from evolve.view.shown import Shown, Visit

MOST, ALL = 2_000, 20_000
"""Programs that are drawn unless asked for more, and at the most."""

COLOURS = ("score", "arm", "island")
NAMED = 8
"""Arms or islands with a colour of their own; the others share one."""


def lineage(visit: Visit) -> Shown:
    """Show the tree of a run's programs, or of what came of one of them."""
    archive, query = visit.archive, visit.query
    info = archive.run(visit.path["run"])
    nodes = every = archive.tree(info.name)
    root = _root(every, query.get("root", ""), info.name)
    sign = info.sign
    rest = root is not None and query.get("rest") == "1"
    if root is not None:
        nodes = beneath(every, root.number)
        nodes = without_best(nodes, sign) if rest else nodes
    by = query.get("colour", "") if query.get("colour") in COLOURS else "score"
    whole = query.get("all") == "1"
    best_first = ranked(nodes, sign)
    best = best_first[0] if best_first and best_first[0].score is not None else None
    places = laid_out(grown(nodes, best_first, ALL if whole else MOST))
    look, key = _look(nodes, best_first, by)
    kept = {"root": root.id if root else "", "rest": "1" if rest else "", "all": "1" if whole else ""}
    kept = {name: text for name, text in kept.items() if text}
    coloured = {} if by == "score" else {"colour": by}
    picture = drawing(
        places,
        title=f"Lineage of {info.name}",
        look=look,
        key=key,
        link=lambda node: f"/runs/{info.name}/programs/{node.id}",
        more=lambda branch: (
            "?" + urlencode({**coloured, "root": branch.node.id, **({"rest": 1} if branch.beside else {})})
        ),
    )
    shown = [place.branch for place in places]
    values = {
        "run": info,
        "root": root,
        "rest": rest,
        "picture": picture if nodes else "",
        "best": best,
        "line": _steps(line_to(best, {node.number: node for node in every})),
        "total": len(nodes),
        "shown": sum(1 for branch in shown if not branch.counted),
        "most": ALL,
        "whole": whole,
        "by": by,
        "colours": {one: "?" + urlencode({**kept, "colour": one}) for one in COLOURS},
        "everything": "?" + urlencode({**kept, **coloured, "all": 1}),
        "above": None if root is None else next((node for node in every if node.number == root.parent), None),
        "coloured": coloured,
    }
    return Shown("lineage.html.j2", values, _data(shown, values))


def _root(nodes: Sequence[Node], id: str, run: str) -> Node | None:
    """Return the program whose id begins with ``id``; None where none is asked for.

    Raises:
        ArchiveError: if there is none.
    """
    if not id:
        return None
    for node in nodes:
        if node.id == id[: len(node.id)]:
            return node
    raise ArchiveError(f"run {run!r} has no program {id[:80]!r}")


def _look(nodes: Sequence[Node], best_first: Sequence[Node], by: str) -> tuple[Look, list[tuple[int, str]]]:
    """Return how programs are coloured, and which colours mean what."""
    if by == "score":
        # By rank and not by height: a few very bad scores would make all the others look the same.
        scored = [node for node in best_first if node.score is not None]
        rank = {node.number: 1.0 - place / max(1, len(scored) - 1) for place, node in enumerate(scored)}
        return lambda node: (colour(0), 0.25 + 0.75 * rank[node.number]), []
    counted = Counter(_group(node, by) for node in nodes)
    names = sorted(counted, key=lambda name: -counted[name])[:NAMED]
    names.sort(key=lambda name: (len(name), name) if by == "island" else (0, name))
    place_of = {name: place for place, name in enumerate(names)}

    def grouped(node: Node) -> tuple[str, float]:
        place = place_of.get(_group(node, by))
        return (FAINT, 0.6) if place is None else (colour(place), 1.0)

    return grouped, [(place, name) for name, place in place_of.items()]


def _group(node: Node, by: str) -> str:
    return f"island {node.island}" if by == "island" else node.arm


def _steps(line: Sequence[Node]) -> list[tuple[Node, float | None]]:
    """Return each program of a line, the oldest first, with what it gained on its parent."""
    found: list[tuple[Node, float | None]] = []
    before: Node | None = None
    for node in line:
        known = before is not None and before.score is not None and node.score is not None
        found.append((node, node.score - before.score if known else None))  # type: ignore[operator,union-attr]
        before = node
    return found


def _data(shown: Sequence[Branch], values: Mapping[str, object]) -> dict[str, object]:
    """Return the tree as plain values: the programs that are shown, and how many beneath each are not."""
    line = values["line"]
    assert isinstance(line, list)
    return {
        "total": values["total"],
        "programs": [branch.node._asdict() for branch in shown if not branch.counted],
        "hidden": {branch.node.id: branch.counted for branch in shown if branch.counted},
        "line_to_best": [node.id for node, _ in line],
    }
