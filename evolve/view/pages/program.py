"""One program: what it is, where it came from, what the judge saw, what was asked and answered; and how two differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from evolve.archive import Archive
from evolve.archive.values import summary
from evolve.errors import ArchiveError
from evolve.records import Program
from evolve.view import artifacts, code
from evolve.view.drawing.plots import Series, chart
from evolve.view.report.facts import interval
from evolve.view.shown import Shown, Visit

MOST_CHILDREN = 100


def program(visit: Visit) -> Shown:
    """Show one program."""
    archive = visit.archive
    run, found = _found(archive, visit.path["run"], visit.path["id"])
    if visit.path["id"] != found.id:
        return Shown(location=f"/runs/{run}/programs/{found.id}")
    attempt = archive.attempt(run, found.number) if found.number > 0 else None
    judged = archive.evaluations(run, found.digest)
    line, children = archive.lineage(run, found.digest), archive.children(run, found.digest)
    talk = archive.conversation(run, found.number) if found.number > 0 else []
    info = archive.run(run)
    values = {
        "run": info,
        "program": found,
        "attempt": attempt,
        "judged": judged,
        "seen": judged[-1].evaluation if judged else None,
        "verdict": archive.verdict(run, found.digest),
        "reviews": archive.reviews(run, found.digest),
        "repeats": _repeats(found, judged),
        "line": line,
        "children": children[:MOST_CHILDREN],
        "more_children": max(0, len(children) - MOST_CHILDREN),
        "talk": talk,
        "kept": _kept(archive, run, found.digest),
        "certain": interval([one.score for one in judged[-1].evaluation.repeats]) if judged else None,
        "files": {path: code.lines(text, path) for path, text in found.sources.items()},
        "changes": code.changes(attempt.proposal.parent.sources, found.sources) if attempt is not None else {},
        "others": [
            other for other in (attempt.proposal.inspirations if attempt else ()) if other.digest != found.parent
        ],
    }
    data = {
        **summary(run, found),
        "files": dict(found.sources),
        "generation": found.generation,
        "island": found.island,
        "note": "" if attempt is None or attempt.draft is None else attempt.draft.note,
        "lineage": [summary(run, one) for one in line],
        "children": [summary(run, one) for one in children],
        "evaluations": [_evaluation(one) for one in judged],
        "conversation": [asdict(one) for one in talk],
    }
    return Shown("program.html.j2", values, data)


def difference(visit: Visit) -> Shown:
    """Show how two programs of a run differ, side by side: the second against the first."""
    archive = visit.archive
    run, new = _found(archive, visit.path["run"], visit.path["id"])
    _, old = _found(archive, run, visit.path["other"])
    values = {"run": archive.run(run), "old": old, "new": new, "changes": code.changes(old.sources, new.sources)}
    data = {
        "old": {**summary(run, old), "files": dict(old.sources)},
        "new": {**summary(run, new), "files": dict(new.sources)},
    }
    return Shown("difference.html.j2", values, data)


def against(visit: Visit) -> Shown:
    """Lead to the difference between two programs that a form names."""
    run, new = _found(visit.archive, visit.path["run"], visit.query.get("id", ""))
    _, old = _found(visit.archive, run, visit.query.get("other", "").strip().lower())
    return Shown(location=f"/runs/{run}/programs/{new.id}/diff/{old.id}")


def _found(archive: Archive, run: str, id: str) -> tuple[str, Program]:
    """Return the run and its program whose digest begins with ``id``; ``best`` is the best one.

    Raises:
        ArchiveError: if there is none.
    """
    name = archive.run(run).name
    if id != "best":
        return archive.find(id, name)
    best = archive.best(1, name)
    if not best:
        raise ArchiveError(f"run {name!r} has no program with a score yet")
    return name, archive.program(name, best[0].digest)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an artifact can be had, and how it is shown."""

    name: str
    mime: str
    size: int
    how: str
    address: str


def _kept(archive: Archive, run: str, digest: str) -> list[tuple[Place, artifacts.Kept | None]]:
    """Return what judges kept of a program; a picture is asked for by the browser, what else can be shown is there at once."""
    found: list[tuple[Place, artifacts.Kept | None]] = []
    for one in archive.kept(run, digest):
        how = artifacts.kind(one.name, one.mime)
        place = Place(one.name, one.mime, one.size, how, f"/runs/{run}/artifacts/{one.id}")
        read = how in ("text", "array") and one.size <= artifacts.LARGEST
        found.append((place, artifacts.kept(archive.artifact(run, one.id)) if read else None))
    return found


def _repeats(found: Program, judged: list[Any]) -> str:
    """Return the chart of a score on each seed, where there were several."""
    repeats = judged[-1].evaluation.repeats if judged else ()
    if len(repeats) < 2:
        return ""
    points = [(float(one.seed), one.score) for one in repeats]
    mean = [(at, found.score) for at, _ in (points[0], points[-1]) if found.score is not None]
    series = [Series("score of a seed", points, "dots"), Series("score", mean)]
    return chart(series, title="Score on each seed", x="seed", y="score", height=200)


def _evaluation(judged: Any) -> dict[str, Any]:
    """Return an evaluation as plain values, without its artifacts."""
    return {**asdict(replace(judged, evaluation=replace(judged.evaluation, artifacts=())))}
