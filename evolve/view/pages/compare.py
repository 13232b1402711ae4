"""Several runs beside one another: how far each came for what it spent, and in which settings they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolve.archive import Moment, RunInfo
from evolve.errors import ArchiveError
from evolve.view.drawing.scores import SPENT, best_chart
from evolve.view.shown import Shown, Visit

MOST = 12
"""Runs that are compared at once."""

MOMENTS = 300
"""Of each run: its chart has as many steps as can be told apart."""

ABSENT = "not set"


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the table; ``dollars`` is None where a price is not known."""

    info: RunInfo
    dollars: float | None
    tokens: int


def compare(visit: Visit) -> Shown:
    """Show several runs in one chart, or a form that asks which."""
    archive = visit.archive
    names = list(dict.fromkeys(value for name, value in visit.every if name == "run" and value))
    if len(names) > MOST:
        raise ArchiveError(f"at most {MOST} runs can be compared at once, not {len(names)}")
    chosen = [archive.run(name) for name in names]
    if len(chosen) < 2:
        every = archive.runs()
        return Shown(
            "compare.html.j2", {"runs": every, "names": names, "rows": []}, {"runs": [info.name for info in every]}
        )
    moments = {info.name: archive.progress(info.name, most=MOMENTS) for info in chosen}
    against = next((one for one in SPENT if one == visit.query.get("against")), SPENT[0])
    rows = [_row(info, moments[info.name]) for info in chosen]
    doubts = _doubts(chosen)
    settings = _settings({info.name: info.config for info in chosen})
    values = {
        "runs": archive.runs(),
        "names": names,
        "rows": rows,
        "doubts": doubts,
        "against": against,
        "axes": SPENT,
        "picture": best_chart(moments, chosen[0], against),
        "settings": settings,
    }
    data = {
        "runs": [_plain(row) for row in rows],
        "doubts": doubts,
        "settings": settings,
        "progress": {name: [_point(moment) for moment in found] for name, found in moments.items()},
    }
    return Shown("compare.html.j2", values, data)


def _row(info: RunInfo, moments: Sequence[Moment]) -> Row:
    """Return what a run spent by its last moment."""
    last = moments[-1]
    return Row(info, last.dollars, last.tokens)


def _doubts(runs: Sequence[RunInfo]) -> list[str]:
    """Return why the scores of these runs may not compare."""
    found = []
    if len({info.task_digest for info in runs}) > 1:
        tasks = sorted({info.task for info in runs})
        found.append(
            f"These runs are of different tasks ({', '.join(tasks)}): their scores do not compare."
            if len(tasks) > 1
            else f"What decides a score of {tasks[0]} was changed between these runs: their scores do not compare."
        )
    if len({info.direction for info in runs}) > 1:
        found.append("Some of these runs maximize their score and others minimize it.")
    if len({info.repeats for info in runs}) > 1:
        found.append("They judge a program on different numbers of seeds.")
    if len({info.version for info in runs}) > 1:
        found.append("They were made by different versions of evolve.")
    return found


def _settings(configs: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return each key that the settings differ in, with what it is in each run."""
    flat = [_flat(config) for config in configs.values()]
    keys = sorted({key for one in flat for key in one})
    rows = [(key, [one.get(key, ABSENT) for one in flat]) for key in keys]
    return [(key, texts) for key, texts in rows if len(set(texts)) > 1]


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return settings by their dotted keys, each as JSON."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = json.dumps(value, ensure_ascii=False)
    return found


def _plain(row: Row) -> dict[str, Any]:
    info = row.info
    return {
        "run": info.name, "task": info.task, "task_digest": info.task_digest, "seed": info.seed, "direction": info.direction,
        "state": info.state, "best": info.best, "evaluations": info.evaluations, "dollars": row.dollars, "tokens": row.tokens,
        "hours": info.seconds / 3600,
    }  # fmt: skip


def _point(moment: Moment) -> dict[str, Any]:
    return {
        "evaluations": moment.evaluations, "dollars": moment.dollars, "tokens": moment.tokens, "hours": moment.hours,
        "best": moment.best,
    }  # fmt: skip
