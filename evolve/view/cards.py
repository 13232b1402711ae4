"""A run and a program as a few lines of HTML, for notebooks. Programs are written by models, so all text is escaped.

Records show themselves by this, so nothing here needs more of the package than how text is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from evolve.phrases import moment, span
from evolve.records import short_id
from evolve.view.text import visible

if TYPE_CHECKING:
    from evolve.archive.rows import RunInfo
    from evolve.records import Program


def info_html(run: RunInfo) -> str:
    """Return what the archive says of a run."""
    facts = {
        "run": run.name,
        "task": run.task,
        "state": state(run),
        "best": score(run),
        "evaluations": run.evaluations,
        "time": span(run.seconds),
        "seed": run.seed,
        "began": moment(run.created),
        "evolve": run.version,
    }
    rows = Markup("").join(
        Markup("<tr><th>{}</th><td>{}</td></tr>").format(name, value) for name, value in facts.items()
    )
    return str(Markup("<table><tbody>{}</tbody></table>").format(rows))


def program_html(program: Program) -> str:
    """Return a program: where it came from, its score and metrics, its code."""
    score = program.status if program.score is None else f"{program.score!r}"
    origin = f"attempt {program.number} of {program.arm} ({program.operator})" if program.number > 0 else "seed"
    parent = f", parent {short_id(program.parent)}" if program.parent else ""
    head = Markup("<p><b>{}</b>: {} · {}{}, generation {}, island {}</p>").format(
        program.id, score, origin, parent, program.generation, program.island
    )
    metrics = table(("metric", "value"), sorted(program.metrics.items())) if program.metrics else Markup("")
    many = len(program.sources) > 1
    files = Markup("").join(
        Markup("{}<pre>{}</pre>").format(Markup("<p>{}</p>").format(path) if many else "", visible(text))
        for path, text in program.sources.items()
    )
    return str(Markup("<div>{}{}{}</div>").format(head, metrics, files))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """Return a table."""
    top = Markup("").join(Markup("<th>{}</th>").format(name) for name in head)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(top, body)


def state(run: RunInfo) -> str:
    """Return whether a run goes on, and why not."""
    return f"{run.state}: {run.reason}" if run.reason else run.state


def score(run: RunInfo) -> str:
    """Return the best score with its unit; nothing where there is none."""
    return "" if run.best is None else f"{run.best!r} {run.unit}".strip()
