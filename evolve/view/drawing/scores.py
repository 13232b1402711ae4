"""The chart that people look at first: scores against what was spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from markupsafe import Markup

from evolve.archive.progress import Moment
from evolve.archive.rows import RunInfo
from evolve.records import short_id
from evolve.view.drawing.plots import Mark, Series, chart

Against = Literal["evaluations", "dollars", "tokens", "hours"]
"""What scores are drawn against: what a run had spent."""

SPENT: tuple[Against, ...] = ("evaluations", "dollars", "tokens", "hours")


def score_chart(
    info: RunInfo,
    moments: Sequence[Moment],
    against: Against = "evaluations",
    *,
    link: Callable[[str], str] | None = None,
    width: int = 720,
    height: int = 300,
) -> Markup:
    """Return how the best score of a run rose, with the programs that it tried as dots.

    Args:
        info: the run.
        moments: how it went, of `Archive.progress`.
        against: what it spent; moments at which that is unknown are left out.
        link: the address of a program's page by its digest.
        width: in pixels.
        height: likewise.
    """
    spent = [(float(at), moment) for moment in moments if (at := getattr(moment, against)) is not None]
    tried = [(at, moment.score, moment) for at, moment in spent if moment.score is not None]
    target = info.config.get("budget", {}).get("target")
    marks = [] if target is None else [Mark("target", float(target))]
    shown = most([score for _, score, _ in tried] + [moment.best for _, moment in spent if moment.best is not None])
    if shown is not None and marks:
        shown = _reaching(shown, marks[0].y)
    return chart(
        [
            _best("best so far", spent),
            Series(
                "programs",
                [(at, score) for at, score, _ in tried],
                "dots",
                labels=[f"{short_id(moment.digest or '')} by {moment.arm}: {score!r}" for _, score, moment in tried],
                links=[] if link is None else [link(moment.digest or "") for _, _, moment in tried],
            ),
        ],
        title=f"Score of {info.name} against {against}",
        x=against,
        y=_unit(info),
        width=width,
        height=height,
        marks=marks,
        within=shown,
    )


def best_chart(runs: Mapping[str, Sequence[Moment]], info: RunInfo, against: Against = "evaluations") -> Markup:
    """Return how the best scores of several ``runs`` rose, beside one another; unit and direction are those of ``info``."""
    series = [
        _best(name, [(float(at), moment) for moment in moments if (at := getattr(moment, against)) is not None])
        for name, moments in runs.items()
    ]
    return chart(series, title=f"Best score against {against}", x=against, y=_unit(info))


def most(scores: Sequence[float]) -> tuple[float, float] | None:
    """Return the heights between which most scores lie, so that a few failures do not flatten the rest; None for all."""
    known = sorted(scores)
    if len(known) < 20:
        return None
    low, high = known[len(known) // 20], known[-1 - len(known) // 20]
    room = (high - low) or abs(high) or 1.0
    return max(known[0], low - room) - 0.05 * room, min(known[-1], high + room) + 0.05 * room


def _reaching(heights: tuple[float, float], target: float) -> tuple[float, float]:
    """Return ``heights`` widened to a target that is near enough: one far away would flatten all else, and is not shown."""
    low, high = min(heights[0], target), max(heights[1], target)
    room = 0.05 * (high - low)
    near = high - low <= 2 * (heights[1] - heights[0])
    return (low - room * (target < heights[0]), high + room * (target > heights[1])) if near else heights


def _best(name: str, spent: Sequence[tuple[float, Moment]]) -> Series:
    """Return the best score as steps, with a dot where another program took the lead."""
    points = [(at, moment.best, moment) for at, moment in spent if moment.best is not None]
    labels, leader = [], None
    for _, best, moment in points:
        gained = moment.leader != leader
        labels.append(f"{short_id(moment.leader or '')}: {best!r}" if gained else "")
        leader = moment.leader
    return Series(name, [(at, best) for at, best, _ in points], "step", labels=labels)


def _unit(info: RunInfo) -> str:
    """Return what the score is, for an axis."""
    return f"score ({info.unit})" if info.unit else "score"
