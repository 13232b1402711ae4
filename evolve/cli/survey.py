"""How `evolve check --references` and ``--lint`` look: a table of programs, what was found, and the same as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from evolve.cli.listing import Cell, emit_table

if TYPE_CHECKING:
    from evolve.lint import Finding
    from evolve.survey import Difference, Measured, Survey

COLUMNS = ("program", "score", "better than the seed by", "recorded", "agrees", "hidden", "CPU s", "screen")
EVERY = 10.0
"""Seconds between two lines of progress that do not go to a terminal."""


class Progress:
    """Says on stderr how far things are: one line that is written over on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, of: int, /) -> None:
        """Take note of how far things are."""
        now = time.monotonic()
        if self._live:
            click.echo(f"\r\033[K{what}: {done} of {of} evaluations", nl=False, err=True)
        elif now - self._last >= EVERY:
            self._last = now
            click.echo(f"{what}: {done} of {of} evaluations", err=True)

    def clear(self) -> None:
        """Leave an empty line."""
        if self._live:
            click.echo("\r\033[K", nl=False, err=True)


def emit(survey: Survey, findings: Sequence[Finding], table: bool) -> None:
    """Print what programs scored, if ``table``, and what was found."""
    if table:
        emit_table(COLUMNS, [_row(survey, row) for row in survey.rows], "")
        click.echo("\n".join(_lines(survey)))
    for finding in findings:
        click.echo(f"{finding.level:8} {finding.what}\n         where: {finding.where}\n         do: {finding.do}")
    if not findings:
        click.echo("lint     nothing found")


def plain(survey: Survey, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the same as plain data."""
    screen, evaluate = survey.cost
    return {
        "task": survey.task.name,
        "seeds": list(survey.seeds),
        "deterministic": survey.deterministic,
        "reproduced": survey.reproduced,
        "cost": {"screen": screen, "evaluate": evaluate},
        "programs": [_plain(survey, row) for row in survey.rows],
        "comparisons": _comparisons(survey),
        "reversed": [[better.name, other.name] for better, other in survey.reversals()],
        "findings": [finding.plain() for finding in findings],
    }


def _comparisons(survey: Survey) -> list[dict[str, Any]]:
    """Return how the program that was asked about stands to all others."""
    return [
        {"program": row.name, "against": other.name, **{
            name: None if by is None else {"mean": by.mean, "low": by.low, "high": by.high, "n": by.n}
            for name, by in (("seeds", survey.beats(row, other)), ("hidden", survey.beats_hidden(row, other)))
        }}
        for row in survey.rows if row.asked for other in survey.rows if other is not row
    ]  # fmt: skip


def _plain(survey: Survey, row: Measured) -> dict[str, Any]:
    own, lead, failed = survey.mean(row), survey.lead(row, survey.seed), row.failed
    return {
        "name": row.name,
        "program": row.program,
        "status": failed.status if failed else "ok",
        "error": failed.error if failed else "",
        "score": survey.score(row),
        "mean": own and own.mean,
        "standard_error": own and own.error,
        "scores": list(row.scores),
        "lead": lead and lead.mean,
        "lead_error": lead and lead.error,
        "recorded": row.recorded,
        "agrees": survey.agrees(row),
        "hidden": row.hidden,
        "cpu_seconds": row.cpu,
        "screen": row.screened,
        "screen_cpu_seconds": row.screen_cpu,
    }


def _row(survey: Survey, row: Measured) -> list[Cell]:
    agrees = survey.agrees(row)
    open_ = "(time)" if survey.task.resources.exclusive else "unknown"
    said = "" if row.recorded is None else open_ if agrees is None else "yes" if agrees else "NO"
    own = survey.mean(row)
    score = _shown(own) if own else f"{row.failed.status}: {row.failed.error[:60]}" if row.failed else ""
    lead = None if row is survey.seed else survey.lead(row, survey.seed)
    return [
        row.name, score, _shown(lead) if lead else "", _number(row.recorded), said, _number(row.hidden),
        "" if row.cpu is None else f"{row.cpu:.3g}", _number(row.screened),
    ]  # fmt: skip


def _lines(survey: Survey) -> list[str]:
    """Return what a person wants to know beside the table."""
    screen, evaluate = survey.cost
    several = len(survey.seeds) > 1
    same = {True: "equal seeds give equal scores", False: "equal seeds do NOT give equal scores", None: "unknown"}
    lines = [
        "",
        f"seeds       {len(survey.seeds)}"
        + (", ± is a standard error, differences are paired, [] is a 95 % interval" if several else ""),
        f"again       {same[survey.deterministic]} ({1 + len(survey.seed.again)} evaluations of the seed program)",
    ]
    if evaluate is not None:
        first = f"screen = {screen:.2g}, " if screen is not None else ""
        lines.append(f"[cost]      {first}evaluate = {evaluate:.2g}")
    for one in _comparisons(survey):
        found = [
            f"{_lead(one[name])} {words}"
            for name, words in (("seeds", "seeds"), ("hidden", "hidden parts"))
            if one[name]
        ]
        lines.append(f"beats       {one['against']} by {'; by '.join(found) or 'what a single seed cannot say'}")
    for row in survey.rows:
        if row.failed:
            lines.append(f"failed      {row.name}: {row.failed.status}: {row.failed.error}")
        if survey.agrees(row) is False and row.scores:
            lines.append(f"differs     {row.name}: {survey.score(row)!r} here, {row.recorded!r} recorded")
    lines += [
        f"reversed    {better.name!r} is recorded as better than {other.name!r}, and is worse here"
        for better, other in survey.reversals()
    ]
    for baseline in survey.task.baselines:
        if baseline.program is None:
            lines.append(f"known       {baseline.score!r}  {baseline.name} ({baseline.source})")
    return lines


def _lead(by: dict[str, Any]) -> str:
    return f"{by['mean']:+.4g} [{by['low']:+.4g}, {by['high']:+.4g}] on {by['n']}"


def _shown(value: Difference) -> str:
    return f"{value.mean:.6g}" + (f" ± {value.error:.2g}" if value.error else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
