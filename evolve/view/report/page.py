"""The report of a run: one HTML file that needs no network and holds no script, or a short text in Markdown.

What programs, models and judges wrote is hostile: it is escaped, what a browser would hide is shown, and a policy in the file
itself lets nothing be loaded and no script run. A picture is held as data; of SVG that means that nothing in it can act.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from markupsafe import Markup

from evolve import __version__
from evolve.archive import Archive, Moment
from evolve.phrases import several
from evolve.view import code
from evolve.view.artifacts import kept
from evolve.view.drawing.scores import score_chart
from evolve.view.render import render
from evolve.view.report.doubts import Doubt, doubts, figure
from evolve.view.report.facts import Facts, Interval, Step, gather
from evolve.view.report.reproduce import Command, commands
from evolve.view.report.standing import ceilings, headline, spent, standings
from evolve.view.report.values import plain
from evolve.view.text import named

SOME = 3
"""Baselines that the short text tells."""
MOST_FAILURES = 30
"""Ways of failing that are listed."""
STATIC = Path(__file__).parents[1] / "static"


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says of a run.

    Attributes:
        facts: what the archive holds.
        doubts: what speaks against it.
        commands: how to make it again.
        moments: how the run went.
    """

    facts: Facts
    doubts: tuple[Doubt, ...]
    commands: tuple[Command, ...]
    moments: tuple[Moment, ...]

    @classmethod
    def of(cls, archive: Archive, run: str | None = None) -> Report:
        """Return the report of a run, the newest where none is named.

        Raises:
            ArchiveError: if there is no such run.
        """
        facts = gather(archive, run)
        moments = archive.progress(facts.run.name)
        return cls(facts, tuple(doubts(facts)), tuple(commands(facts, archive.path)), tuple(moments))

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            **plain(self.facts),
            "doubts": [asdict(one) for one in self.doubts],
            "reproduce": [asdict(one) for one in self.commands],
        }

    def html(self) -> str:
        """Return the HTML file."""
        facts, best = self.facts, self.facts.best
        sheet = "\n".join([_file("style.css"), _file("report.css"), code.styles()])
        told = len(self.moments) > 1 and any(one.best is not None for one in self.moments)
        return render(
            "report.html.j2",
            {
                "facts": facts,
                "run": facts.run,
                "best": best,
                "headline": headline(facts),
                "standings": standings(facts),
                "doubts": self.doubts,
                "commands": self.commands,
                "chart": Markup(named(score_chart(facts.run, self.moments))) if told else "",
                "stretches": _stretches(best.line) if best is not None else [],
                "changes": code.changes,
                "files": {}
                if best is None
                else {path: code.lines(text, path) for path, text in best.program.sources.items()},
                "kept": [] if best is None else [kept(one) for one in best.artifacts],
                "ceilings": ceilings(facts),
                "most_failures": MOST_FAILURES,
                "spent": spent(facts),
                "visible": code.visible,
                "spoken": _spoken,
                "version": __version__,
                "sheet": Markup(sheet),
                "sheet_hash": b64encode(sha256(sheet.encode()).digest()).decode(),
            },
        )

    def markdown(self) -> str:
        """Return the short text."""
        facts, best = self.facts, self.facts.best
        parts = [f"## {_md(facts.run.name)}: {_md(facts.run.task)}", _md(headline(facts)), _md(spent(facts))]
        if best is not None:
            rows = [
                (one.what, figure(one.score), _signed(one.behind), _range(one.interval), one.note)
                for one in standings(facts, SOME)
            ]
            parts.append(_table(("", "score", "better by", "95 %", ""), rows))
            if best.line:
                steps = [
                    (
                        f"`{one.program.id}`",
                        one.program.arm,
                        one.program.operator,
                        figure(one.program.score),
                        _signed(one.gain),
                        one.note,
                    )
                    for one in best.gained
                ]
                idle = len(best.line) - len(best.gained)
                parts.append(f"{several(len(steps), 'step', 'steps')} of its lineage gained, {idle} did not.")
                parts.append(_table(("program", "arm", "operator", "score", "gain", "what was changed"), steps))
        parts += [_md(one) for one in ceilings(facts)]
        if self.doubts:
            parts.append("\n".join(["Doubts:", "", *(f"- {_md(one.about)}: {_md(one.words)}" for one in self.doubts)]))
        if self.commands:
            lines = "\n".join(f"# {' '.join(one.what.split())}\n{one.line}" for one in self.commands)
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
            parts.append(f"{fence}sh\n{named(lines)}\n{fence}")
        return "\n\n".join(parts) + "\n"


def _stretches(line: Sequence[Step]) -> list[tuple[bool, list[Step]]]:
    """Return the steps of a lineage, those that gained one by one, the others between them together."""
    found: list[tuple[bool, list[Step]]] = []
    for step in line:
        if not step.gained and found and not found[-1][0]:
            found[-1][1].append(step)
        else:
            found.append((step.gained, [step]))
    return found


def _file(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


def _spoken(text: str) -> Markup:
    """Return a sentence as HTML, with what stands between single backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return code.visible(text)
    shown = (Markup("<code>{}</code>" if at % 2 else "{}").format(code.visible(part)) for at, part in enumerate(parts))
    return Markup("").join(shown)


def _md(text: str) -> str:
    """Return a text as one line of Markdown in which nothing is markup but code between single backticks."""
    line = " ".join(named(text).split())
    parts = line.split("`")
    # Where several stand together, Markdown pairs them otherwise than this does.
    if len(parts) % 2 == 0 or "``" in line:
        return _escaped(line)
    return "".join(f"`{part}`" if at % 2 else _escaped(part) for at, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([\\\\`*_\[\]<>|#~&!])", r"\\\1", text)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown, in which a bar would end a cell even within code."""
    cells = [[re.sub(r"(?<!\\)\|", r"\\|", _md(cell)) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4g}"


def _range(found: Interval | None) -> str:
    return "" if found is None else f"{figure(found.low)} to {figure(found.high)}"
