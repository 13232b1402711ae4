"""The pages, one module each: a page asks the archive and says what its template shows.

runs.py       all runs                       run.py       one run, live while it goes on
programs.py   a listing with filters         program.py   one program; the difference between two
hints.py      hints, and what was asked      failures.py  what ended early or failed
lineage.py    the tree of programs           islands.py   islands, and migration between them
front.py      the Pareto front               compare.py   several runs beside one another
attempt.py    one attempt, also one that no program came of
"""

from __future__ import annotations

from collections.abc import Mapping

from evolve.view.pages.attempt import attempt
from evolve.view.pages.compare import compare
from evolve.view.pages.failures import failures
from evolve.view.pages.front import front
from evolve.view.pages.hints import hints
from evolve.view.pages.islands import islands
from evolve.view.pages.lineage import lineage
from evolve.view.pages.program import against, difference, program
from evolve.view.pages.programs import programs
from evolve.view.pages.run import run
from evolve.view.pages.runs import runs
from evolve.view.shown import Page, Shown

PAGES: Mapping[str, Page] = {
    "/": runs,
    "/runs/{run}": run,
    "/runs/{run}/programs": programs,
    "/runs/{run}/programs/{id}": program,
    "/runs/{run}/programs/{id}/diff/{other}": difference,
    "/runs/{run}/against": against,
    "/runs/{run}/lineage": lineage,
    "/runs/{run}/islands": islands,
    "/runs/{run}/front": front,
    "/runs/{run}/attempts/{number:row}": attempt,
    "/runs/{run}/failures": failures,
    "/runs/{run}/hints": hints,
    "/compare": compare,
}
"""The address of each page."""


HEADINGS = {404: "That is not here", 409: "That cannot be done", 503: "The archive cannot be read now"}


def problem(text: str, status: int) -> Shown:
    """Return the page that says what is wrong."""
    return Shown(
        "problem.html.j2", {"text": text, "heading": HEADINGS.get(status, "This page failed")}, {"error": text}
    )
