"""One run: how far it came, what its arms did, what failed, what it costs; live while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evolve.archive import RunInfo
from evolve.archive.achievements import ArmPoint
from evolve.records import short_id
from evolve.view.drawing.plots import Series, chart
from evolve.view.drawing.scores import SPENT, score_chart
from evolve.view.shown import Shown, Visit

MEASURES: Mapping[str, Callable[[ArmPoint], float | None]] = {
    "attempts": lambda point: float(point.pulls),
    "improved": lambda point: float(point.wins),
    "gain": lambda point: point.gain,
    "gain per evaluation": lambda point: point.gain / point.evaluations if point.evaluations else 0.0,
    "gain per dollar": lambda point: point.gain / point.dollars if point.dollars else None,
}
"""What is drawn of arms, summed since the beginning; None where there is nothing to say, as of arms that cost no dollars."""


def run(visit: Visit) -> Shown:
    """Show one run."""
    archive = visit.archive
    info = archive.run(visit.path["run"])
    wanted = visit.query.get("against", "")
    against = next((name for name in SPENT if name == wanted), SPENT[0])
    moments = archive.progress(info.name)
    achieved, arms = archive.achieved(info.name)
    ended, spend = archive.ended(info.name), archive.spend(info.name)
    values = {
        "run": info,
        "live": info.state in ("running", "paused"),
        "best": next(iter(archive.best(1, info.name)), None),
        "champion": archive.champion(info.name),
        "budget": _budget(info, spend),
        "rate": _rate(info),
        "against": against,
        "axes": SPENT,
        "progress": score_chart(
            info, moments, against, link=lambda digest: f"/runs/{info.name}/programs/{short_id(digest)}"
        ),
        "plots": [plot for what in MEASURES if (plot := _arms(arms, what)) is not None],
        "arms": achieved,
        "states": archive.arm_states(info.name),
        "spend": spend,
        "ended": ended[:12],
        "more_ended": max(0, len(ended) - 12),
        "screening": archive.screening(info.name),
        "slots": info.config.get("slots"),
    }
    data = {
        **asdict(info), "progress": [asdict(point) for point in moments], "arms": [asdict(arm) for arm in arms],
        "ended": [asdict(one) for one in ended], "spend": [asdict(one) for one in spend],
    }  # fmt: skip
    return Shown("run.html.j2", values, data)


def _budget(info: RunInfo, spend: Sequence[Any]) -> list[tuple[str, float, float]]:
    """Return (what, spent, cap) of every cap of a run."""
    caps = info.config.get("budget", {})
    dollars = sum((arm.dollars or 0.0) + (arm.uncertain_dollars or 0.0) for arm in spend)
    spent = {
        "evaluations": float(info.evaluations),
        "usd": dollars,
        "tokens": float(sum(arm.tokens for arm in spend)),
        "hours": info.seconds / 3600,
    }
    return [(name, amount, float(caps[name])) for name, amount in spent.items() if caps.get(name)]


def _rate(info: RunInfo) -> float | None:
    """Return evaluations per minute over the life of a run."""
    return info.evaluations / info.seconds * 60 if info.seconds > 0 else None


def _arms(points: Sequence[ArmPoint], what: str) -> str | None:
    """Return the chart of what arms did over time; None where there is nothing to say of any."""
    drawn: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if (value := MEASURES[what](point)) is not None:
            drawn.setdefault(point.arm, []).append((float(point.told), value))
    if not drawn:
        return None
    series = [Series(name, drawn[name]) for name in sorted(drawn)]
    return chart(series, title=f"{what.capitalize()} of each arm", x="attempts told", y=what, height=240)
