"""What the built-in arms make of every task of the library, against random search and the seed program with tuned constants.

    python bench/tasks.py [--db bench-tasks.db] [--evaluations 200] [--tasks math losses/robust ...] [--kinds built-in ...]
        [--seed 0] [--slots 2] [--table]

Three runs of each task, at equal evaluations: all built-in arms; random search, in which no score decides what is changed next;
and `builtin/tune` alone, from the seed program. What is done stays in the archive: started again, the bench goes on
where it was ended, and enlarges runs whose budget is smaller. ``--table`` only prints the table of what is there.

Printed for each task: the seed program's score, the best of each run, what `validate` gave for its champion, and the best
reference's score as task.toml records it. ``*`` marks the best of the three; a task where that is not the first column, or
where it is not beyond the best reference, is a loss, and stays in the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import evolve
from evolve.archive import RunInfo
from evolve.errors import EvolveError
from evolve.records import Task
from evolve.task import library, load

SETS: Mapping[str, Mapping[str, Any]] = {
    "built-in": {},
    "random search": {
        "arms": {"evolve.operators.mutate:Mutate": 1.0},  # as a plugin it drafts only, without its inner search
        "search": {"parents": "random", "elites": 100_000, "islands": 1, "inspirations": 0},
    },
    "tuned seed": {"arms": {"builtin/tune": 1.0}, "search": {"parents": "best", "islands": 1}},
}
MOST = 3
"""Hours after which a run is given up: some tuners have nothing new to try long before their evaluations are spent."""


@dataclass(frozen=True)
class Reached:
    """How far a run came: its best score, its champion's `validate`, evaluations and hours."""

    score: float | None
    held_out: float | None
    evaluations: int
    hours: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", type=Path, default=Path("bench-tasks.db"))
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument(
        "--tasks", nargs="*", default=[""], help="names, or the beginnings of names, in the order to go by"
    )
    parser.add_argument("--kinds", nargs="+", choices=list(SETS), default=list(SETS), help="which of the three runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slots", type=int, default=None)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    names = list(dict.fromkeys(name for start in given.tasks for name in library() if name.startswith(start)))
    if not given.table:
        for name in names:
            for kind in given.kinds:
                searched(name, kind, given)
    print(table(names, given.db))
    return 0


def searched(name: str, kind: str, given: argparse.Namespace) -> None:
    """Do what is left of one run; a task that cannot be judged here says why, and stays out of the table."""
    run = called(name, kind)
    print(f"{run} ...", file=sys.stderr, flush=True)
    try:
        known = {info.name: info for info in runs(given.db)}
        if run not in known:
            settings = SETS[kind]
            evolve.run(
                name, name=run, evaluations=given.evaluations, hours=MOST, seed=given.seed, slots=given.slots,
                db=given.db, settings=settings,
            )  # fmt: skip
        elif known[run].evaluations < given.evaluations and known[run].seconds < MOST * 3600:
            evolve.resume(run, evaluations=given.evaluations, hours=MOST, db=given.db)
    except EvolveError as error:
        print(f"{run}: {error}", file=sys.stderr, flush=True)


def called(name: str, kind: str) -> str:
    """Return the name of a run."""
    return f"{name.replace('/', '-')}-{kind.replace(' ', '-')}"


def runs(db: Path) -> list[RunInfo]:
    """Return the runs of the archive, if there is one."""
    if not db.exists():
        return []
    with evolve.Archive(db) as archive:
        return archive.runs()


def reached(db: Path, run: str) -> Reached | None:
    """Return how far a run came."""
    known = {info.name: info for info in runs(db)}
    if run not in known:
        return None
    info = known[run]
    with evolve.Archive(db) as archive:
        champion = archive.champion(run)
    held_out = champion.validate_score if champion else None
    return Reached(info.best, held_out, info.evaluations, info.seconds / 3600)


def table(names: list[str], db: Path) -> str:
    """Return the Markdown table of all runs that there are."""
    lines = [
        "| task | seed program | " + " | ".join(SETS) + " | best reference | evaluations | hours |",
        "|---|---|" + "---|" * len(SETS) + "---|---|---|",
    ]
    for name in names:
        task = load(name)
        rows = [reached(db, called(name, kind)) for kind in SETS]
        done = [row for row in rows if row is not None]
        if not done:
            continue
        scores = [row.score for row in done if row.score is not None]
        best = max(scores, key=lambda score: task.score.sign * score, default=None)
        cells = [cell(row, best) for row in rows]
        counts = "/".join(str(row.evaluations) if row else "-" for row in rows)
        hours = f"{sum(row.hours for row in done):.2f}"
        lines.append(f"| {name} | {start(db, name)} | {' | '.join(cells)} | {reference(task)} | {counts} | {hours} |")
    return "\n".join(lines)


def cell(row: Reached | None, best: float | None) -> str:
    """Return a run's score, marked where it is the best, and what `validate` gave."""
    if row is None or row.score is None:
        return "-"
    mark = " *" if row.score == best else ""
    held_out = "" if row.held_out is None else f" (validate {row.held_out:.5g})"
    return f"{row.score:.6g}{mark}{held_out}"


def start(db: Path, name: str) -> str:
    """Return the seed program's score in one of the runs."""
    known = {info.name for info in runs(db)}
    for kind in SETS:
        if (run := called(name, kind)) in known:
            with evolve.Archive(db) as archive:
                seeds = archive.seeds(run)
            if seeds and seeds[0][0].score is not None:
                return f"{seeds[0][0].score:.6g}"
    return "-"


def reference(task: Task) -> str:
    """Return the best score that a reference program of the folder reaches, and its name."""
    known = [row for row in task.baselines if row.program is not None]
    best = max(known, key=lambda row: task.score.sign * row.score, default=None)
    return "-" if best is None else f"{best.score:.6g} ({best.name})"


if __name__ == "__main__":
    sys.exit(main())
