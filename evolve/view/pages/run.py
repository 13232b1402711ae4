"""One run: how far it came, what its arms did, what failed, what it costs; live while it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from evolve.archive import RunInfo
from evolve.archive.browsing import ArmPoint
from evolve.archive.progress import Moment
from evolve.archive.rows import ID_LENGTH
from evolve.view.plots import Mark, Series, chart
from evolve.view.shown import Shown, Visit

AXES = {"evaluations": "evaluations", "hours": "hours", "dollars": "dollars"}
"""What a score can be drawn against."""


def run(visit: Visit) -> Shown:
    """Show one run."""
    archive = visit.archive
    info = archive.run(visit.path["run"])
    against = visit.query.get("against", "evaluations")
    against = against if against in AXES else "evaluations"
    moments, arms = archive.progress(info.name), archive.arms_over_time(info.name)
    ended, spend = archive.ended(info.name), archive.spend(info.name)
    state = "paused" if info.state == "running" and archive.paused(info.name) else info.state
    values = {
        "run": info,
        "state": state,
        "live": info.state == "running",
        "best": next(iter(archive.best(1, info.name)), None),
        "champion": archive.champion(info.name),
        "budget": _budget(info, spend),
        "rate": _rate(info),
        "against": against,
        "axes": AXES,
        "progress": _progress(info, moments, against),
        "pulls": _arms(arms, "pulls"),
        "gains": _arms(arms, "gain"),
        "arms": archive.arm_table(info.name),
        "states": archive.arm_states(info.name),
        "spend": spend,
        "ended": ended[:12],
        "more_ended": max(0, len(ended) - 12),
        "statuses": archive.statuses(info.name),
        "screening": archive.screening(info.name),
        "hints": archive.hints(info.name),
        "slots": info.config.get("slots"),
    }
    data = {
        **asdict(info), "state": state, "progress": [asdict(point) for point in moments], "arms": [asdict(arm) for arm in arms],
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


def _progress(info: RunInfo, moments: Sequence[Moment], against: str) -> str:
    """Return the chart of scores against what was spent."""
    place = [(float(getattr(moment, against) or 0.0), moment) for moment in moments]
    scored = [
        (at, moment, moment.score) for at, moment in place if moment.score is not None and moment.digest is not None
    ]
    target = info.config.get("budget", {}).get("target")
    return chart(
        [
            Series("best so far", [(at, moment.best) for at, moment in place if moment.best is not None], "step"),
            Series(
                "programs",
                [(at, score) for at, _, score in scored],
                "dots",
                labels=[
                    f"{(moment.digest or '')[:ID_LENGTH]} by {moment.arm}: {score!r}" for _, moment, score in scored
                ],
                links=[f"/runs/{info.name}/programs/{(moment.digest or '')[:ID_LENGTH]}" for _, moment, _ in scored],
            ),
        ],
        title=f"Score against {against}",
        x=against,
        y=f"score{f' ({info.unit})' if info.unit else ''}",
        marks=[] if target is None else [Mark("target", float(target))],
        within=_middle([score for _, _, score in scored]),
    )


def _middle(scores: Sequence[float]) -> tuple[float, float] | None:
    """Return the heights between which most scores lie, so that a few failures do not flatten the rest."""
    known = sorted(scores)
    if len(known) < 20:
        return None
    low, high = known[len(known) // 20], known[-1 - len(known) // 20]
    room = (high - low) or abs(high) or 1.0
    return max(known[0], low - room), min(known[-1], high + room)


def _arms(points: Sequence[ArmPoint], what: str) -> str:
    """Return the chart of what arms did over time."""
    names = sorted({point.arm for point in points})
    series = [
        Series(name, [(0.0, 0.0), *((float(p.told), float(getattr(p, what))) for p in points if p.arm == name)])
        for name in names
    ]
    words = {"pulls": "attempts of each arm", "gain": "gain of each arm, summed"}[what]
    return chart(series, title=words.capitalize(), x="attempts told", y=words.split(" of ")[0], height=240)
