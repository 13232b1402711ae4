"""What a run's programs trade one objective for: the Pareto front, and any two of their numbers against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from evolve.archive import RunInfo
from evolve.view.drawing.axes import thinned
from evolve.view.drawing.plots import Series, chart
from evolve.view.drawing.scores import most
from evolve.view.front import front as pareto
from evolve.view.front import stairs
from evolve.view.shown import Shown, Visit

ROWS = 200
"""Programs of the front that the table lists."""

DOTS = 1500
"""Programs that the chart shows on the front, and beside it."""

NAMES = 60
"""Numbers that can be chosen for an axis."""

Scored = tuple[str, int, float, dict[str, float]]


def front(visit: Visit) -> Shown:
    """Show the front of a run's objectives, and two of the numbers of its programs."""
    archive, query = visit.archive, visit.query
    info = archive.run(visit.path["run"])
    wanted, scored = archive.objectives(info.name), archive.scored(info.name)
    numbers = [{**metrics, "score": score} for _, _, score, metrics in scored]
    on = pareto(numbers, wanted)
    if len(wanted) == 1:
        on = on[:1]  # programs that are equally good trade nothing
    known = {name for one in numbers for name in one}
    names = sorted(known, key=lambda name: (name != "score", name not in wanted, name))[:NAMES]
    y = query["y"] if query.get("y") in known else "score"
    x = query["x"] if query.get("x") in known else next((name for name in names if name != y), "attempt")
    values = {
        "run": info,
        "objectives": wanted,
        "count": len(on),
        "scored": len(scored),
        "rows": _rows(scored, numbers, on, wanted)[:ROWS],
        "names": names,
        "x": x,
        "y": y,
        "picture": _picture(info, scored, numbers, on, wanted, x, y) if scored else "",
    }
    data = {
        "objectives": wanted,
        "front": [_plain(scored[place]) for place in on[:ROWS]],
        "count": len(on),
        "x": x,
        "y": y,
    }
    return Shown("front.html.j2", values, data)


def _plain(one: Scored) -> dict[str, Any]:
    id, number, score, metrics = one
    return {"id": id, "number": number, "score": score, "metrics": metrics}


def _rows(
    scored: Sequence[Scored], numbers: Sequence[Mapping[str, float]], on: Sequence[int], wanted: Mapping[str, str]
) -> list[tuple[str, int, list[float | None]]]:
    """Return id, attempt and objectives of each program of the front, by the score."""
    sign = -1.0 if wanted.get("score") == "minimize" else 1.0
    ordered = sorted(on, key=lambda place: -sign * scored[place][2])
    return [(scored[place][0], scored[place][1], [numbers[place].get(name) for name in wanted]) for place in ordered]


def _picture(
    info: RunInfo,
    scored: Sequence[Scored],
    numbers: Sequence[Mapping[str, float]],
    on: Sequence[int],
    wanted: Mapping[str, str],
    x: str,
    y: str,
) -> str:
    """Return the chart of two numbers of each program. Where both are objectives, steps show how far one can be had for the
    other.
    """
    places: list[tuple[int, tuple[float, float]]] = []
    for place, row in enumerate(numbers):
        across = float(scored[place][1]) if x == "attempt" and x not in row else row.get(x)
        if across is not None and (up := row.get(y)) is not None:
            places.append((place, (across, up)))
    best = set(on)
    series = [
        _dots("on the front" if len(wanted) > 1 else "best", info, scored, [one for one in places if one[0] in best]),
        _dots("programs", info, scored, [one for one in places if one[0] not in best]),
    ]
    if x in wanted and y in wanted and x != y:
        two = pareto([{"x": point[0], "y": point[1]} for _, point in places], {"x": wanted[x], "y": wanted[y]})
        edge = stairs([places[place][1] for place in two], wanted[x], wanted[y])
        series.append(Series(f"{y} that can be had for {x}" if len(wanted) > 2 else "front", edge))
    ways = {name: f"{name} ({wanted[name]})" if name in wanted else name for name in (x, y)}
    return chart(
        series,
        title=f"{y} against {x}",
        x=ways[x],
        y=ways[y],
        height=380,
        within=most([point[1] for _, point in places]),
    )


def _dots(
    name: str, info: RunInfo, scored: Sequence[Scored], places: Sequence[tuple[int, tuple[float, float]]]
) -> Series:
    """Return programs as dots with their ids, of many as many as can be told apart."""
    count = len(places)
    if count > DOTS:
        places = sorted(places, key=itemgetter(1))
        kept = thinned([point for _, point in places], DOTS, fill=True)
        places = [places[place] for place in kept]
        name = f"{name} ({len(places)} of {count})"
    return Series(
        name,
        [point for _, point in places],
        "dots",
        labels=[f"{scored[place][0]}: {point[1]!r} at {point[0]!r}" for place, point in places],
        links=[f"/runs/{info.name}/programs/{scored[place][0]}" for place, _ in places],
    )
