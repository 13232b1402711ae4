"""What a notebook shows of an archive, a run, a program: tables, code and charts as HTML that any notebook can hold.

Programs are written by models, so all text is escaped. Nothing here needs a server, a script or a style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args

from markupsafe import Markup

from evolve.archive.progress import Progress
from evolve.archive.rows import ID_LENGTH, RunInfo
from evolve.errors import ArchiveError
from evolve.records import Program
from evolve.view.drawing.scores import Against, best_chart, score_chart
from evolve.view.drawing.svg import on_paper
from evolve.view.text import visible

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
        (run.name, run.task, _state(run), _score(run), run.evaluations, _time(run.seconds), _day(run.created))
        for run in runs[:MOST_RUNS]
    ]
    more = f", the newest {MOST_RUNS} of them" if len(runs) > MOST_RUNS else ""
    said = f"{path}: {len(runs)} run{'' if len(runs) == 1 else 's'}{more}"
    return str(Markup("<p>{}</p>{}").format(said, _table(head, rows) if rows else ""))


def info_html(run: RunInfo) -> str:
    """Return what the archive says of a run."""
    facts = {
        "run": run.name,
        "task": run.task,
        "state": _state(run),
        "best": _score(run),
        "evaluations": run.evaluations,
        "time": _time(run.seconds),
        "seed": run.seed,
        "began": _day(run.created),
        "evolve": run.version,
    }
    rows = Markup("").join(
        Markup("<tr><th>{}</th><td>{}</td></tr>").format(name, value) for name, value in facts.items()
    )
    return str(Markup("<table><tbody>{}</tbody></table>").format(rows))


def run_html(archive: Progress, name: str) -> str:
    """Return a run: its facts, how it went, and its best program."""
    best = archive.best(1, name)
    shown = Markup("<p>no program has a score yet</p>") if not best else Markup(program_html(best[0]))
    plot = Markup(plotted(archive, [name], "evaluations").svg)
    return str(Markup("{}{}{}").format(Markup(info_html(archive.run(name))), plot, shown))


def program_html(program: Program) -> str:
    """Return a program: where it came from, its score and metrics, its code."""
    score = program.status if program.score is None else f"{program.score!r}"
    origin = f"attempt {program.number} of {program.arm} ({program.operator})" if program.number > 0 else "seed"
    parent = f", parent {program.parent[:ID_LENGTH]}" if program.parent else ""
    head = Markup("<p><b>{}</b>: {} · {}{}, generation {}, island {}</p>").format(
        program.id, score, origin, parent, program.generation, program.island
    )
    metrics = _table(("metric", "value"), sorted(program.metrics.items())) if program.metrics else Markup("")
    many = len(program.sources) > 1
    files = Markup("").join(
        Markup("{}<pre>{}</pre>").format(Markup("<p>{}</p>").format(path) if many else "", visible(text))
        for path, text in program.sources.items()
    )
    return str(Markup("<div>{}{}{}</div>").format(head, metrics, files))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """Return a table."""
    top = Markup("").join(Markup("<th>{}</th>").format(name) for name in head)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(top, body)


def _state(run: RunInfo) -> str:
    return f"{run.state}: {run.reason}" if run.reason else run.state


def _score(run: RunInfo) -> str:
    """Return the best score with its unit; nothing where there is none."""
    return "" if run.best is None else f"{run.best!r} {run.unit}".strip()


def _time(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _day(at: float) -> str:
    """Return a time in the zone of this machine."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
