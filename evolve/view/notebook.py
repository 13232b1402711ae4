"""What a notebook shows of an archive and a run: tables and charts as HTML that any notebook can hold.

All text is escaped. Nothing here needs a server, a script or a style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from markupsafe import Markup

from evolve.archive.progress import Progress
from evolve.archive.rows import RunInfo
from evolve.errors import ArchiveError
from evolve.phrases import moment, span
from evolve.view.cards import info_html, program_html, score, state, table
from evolve.view.drawing.scores import Against, best_chart, score_chart
from evolve.view.drawing.svg import on_paper

MOST_RUNS = 30
"""Runs in the table of an archive."""


@dataclass(frozen=True, slots=True, repr=False)
class Plot:
    """A chart: a notebook shows it, ``svg`` is its text, `save` writes a file."""

    svg: str
    title: str = ""

    def save(self, path: str | Path) -> Path:
        """Write the chart to an SVG file and return its path.

        Raises:
            ArchiveError: if the path ends in something else.
        """
        place = Path(path)
        if place.suffix.lower() != ".svg":
            raise ArchiveError(f"{place}: charts are saved as SVG; give a path that ends in .svg")
        place.write_text(self.svg, "utf-8")
        return place

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return self.svg  # inline: an image would lose its tooltips

    def __repr__(self) -> str:
        return f"<Plot {self.title!r}>"


def plotted(archive: Progress, runs: Sequence[str], against: Against) -> Plot:
    """Draw how a run went, the newest where none is named; of several, how their best scores rose.

    Raises:
        ArchiveError: if there is no such run or nothing like ``against`` is spent.
    """
    if against not in get_args(Against):
        raise ArchiveError(f"against={against!r}: give {', '.join(get_args(Against))}")
    infos = [archive.run(name) for name in runs] or [archive.run()]
    if len(infos) == 1:
        svg = score_chart(infos[0], archive.progress(infos[0].name), against)
    else:
        svg = best_chart({info.name: archive.progress(info.name) for info in infos}, infos[-1], against)
    return Plot(str(on_paper(svg)), f"{', '.join(info.name for info in infos)} against {against}")


def archive_html(path: Path, runs: Sequence[RunInfo]) -> str:
    """Return an archive as a table of its runs, the newest first."""
    head = ("run", "task", "state", "best", "evaluations", "time", "began")
    rows = [
        (run.name, run.task, state(run), score(run), run.evaluations, span(run.seconds), moment(run.created))
        for run in runs[:MOST_RUNS]
    ]
    more = f", the newest {MOST_RUNS} of them" if len(runs) > MOST_RUNS else ""
    said = f"{path}: {len(runs)} run{'' if len(runs) == 1 else 's'}{more}"
    return str(Markup("<p>{}</p>{}").format(said, table(head, rows) if rows else ""))


def run_html(archive: Progress, name: str) -> str:
    """Return a run: its facts, how it went, and its best program."""
    best = archive.best(1, name)
    shown = Markup("<p>no program has a score yet</p>") if not best else Markup(program_html(best[0]))
    plot = Markup(plotted(archive, [name], "evaluations").svg)
    return str(Markup("{}{}{}").format(Markup(info_html(archive.run(name))), plot, shown))
