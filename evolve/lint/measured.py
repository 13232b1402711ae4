"""What the scores of a task's programs say of the task: noise, chance that no seed fixes, a screen that disagrees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import stdev

from evolve.evaluator import takes_seed
from evolve.kit.statistics import kendall
from evolve.lint.finding import Finding
from evolve.stages import FEWEST, Screen
from evolve.survey import Measured, Survey

AGREES = 0.5
"""Kendall's tau of screen and score below which a screen is no guide."""
ENOUGH = 3
"""Programs with a screen and a score from which a tau says anything."""


def findings(survey: Survey) -> Iterator[Finding]:
    """Yield what the scores say."""
    yield from _failures(survey)
    yield from _chance(survey)
    yield from _noise(survey)
    yield from _screen(survey)


def _failures(survey: Survey) -> Iterator[Finding]:
    for row in survey.rows:
        if row.failed is None:
            continue
        advice = "mend it: a run starts from the seed program, and the references say what can be reached"
        if row.asked:
            advice = "mend it: it has no score that holds"
        elif row.searched:
            advice = "do not compare with it: what was searched for in view does not hold on other seeds or hidden data"
        yield Finding(
            "error" if row is survey.seed else "warning",
            f"{row.name} ends as {row.failed.status}: {row.failed.error.splitlines()[0] if row.failed.error else ''}",
            row.program or row.name,
            advice,
        )


def _chance(survey: Survey) -> Iterator[Finding]:
    if survey.deterministic is not False:
        return
    scores = sorted({survey.seed.scores[0], *(one.score for one in survey.seed.again if one.score is not None)})
    timed = survey.task.resources.exclusive
    yield Finding(
        "note" if timed else "warning",
        f"the same program on the same seed scored {scores[0]:.6g} to {scores[-1]:.6g}",
        "evaluate.py",
        "as expected where time is measured: see that repeats average it out" if timed
        else "draw all chance from `seed`, fix the order of sums and the number of threads; where time is measured, say so with "
        "[resources] exclusive = true",
    )  # fmt: skip


def _noise(survey: Survey) -> Iterator[Finding]:
    """Compare the spread over seeds with what there is to tell apart."""
    others = [row for row in survey.rows[1:] if survey.lead(row, survey.seed) is not None]
    best = max(others, key=lambda row: lead(survey, row), default=None)
    gap = 0.0 if best is None else lead(survey, best)
    if best is not None and gap <= 0.0:
        yield Finding(
            "warning", "no reference is better than the seed program", "references/",
            "the seed program is to be weak: simplify it, or find a better reference",
        )  # fmt: skip
    own, drawn = [*survey.seed.scores], "seeds"
    if len(own) == 1 and survey.deterministic is False:
        own += [one.score for one in survey.seed.again if one.score is not None]
        drawn = "evaluations on one seed"
    if best is None or gap <= 0.0 or len(own) < 2:
        return
    spread = stdev(own)
    sign = survey.task.score.sign
    pairs = [sign * (mine - theirs) for mine, theirs in zip(best.scores, survey.seed.scores, strict=True)]
    paired = stdev(pairs) if len(pairs) > 1 else math.sqrt(2) * spread
    wanted = max(1, math.ceil((4 * paired / gap) ** 2))  # 2 standard errors are at most half the gap
    text = (
        f"over {len(own)} {drawn} the seed program has a standard deviation of {spread:.3g}, paired differences to the best "
        f"reference one of {paired:.3g}, and the gap between the two is {gap:.3g}: with {wanted} repeats two standard errors are "
        "half the gap"
    )
    if wanted > survey.task.stages.repeats:
        advice = f"set [stages] repeats = {wanted}, or make an evaluation less noisy: more data, common random numbers"
        if not takes_seed(survey.task):
            advice = "declare evaluate(candidate, seed), draw all chance from it, and set [stages] repeats"
        yield Finding("warning", text, "task.toml", advice)
    elif spread:
        yield Finding("note", text, "task.toml", "nothing: the task has as many")


def lead(survey: Survey, row: Measured) -> float:
    """Return by how much a program is better than the seed program; minus infinity where that is not known."""
    found = survey.lead(row, survey.seed)
    return -math.inf if found is None else found.mean


def _screen(survey: Survey) -> Iterator[Finding]:
    """Compare what the screen gave with the scores."""
    task = survey.task
    rows = [row for row in survey.rows if row.screened is not None and row.scores]
    if len(rows) < ENOUGH:
        return
    screens = [row.screened for row in rows if row.screened is not None]
    scores = [sum(row.scores) / len(row.scores) for row in rows]
    tau = kendall(screens, scores)
    held = below(survey, rows, screens)
    poor = below(survey, rows, scores)
    lost = [row.name for row in held if row not in poor]
    text = (
        f"Kendall's tau of screen and score over {len(rows)} programs is {tau:.2f}; with screen_keep = "
        f"{task.stages.screen_keep:g} it would hold back {len(held)} of the {len(rows) - 1} references"
    )
    text += f", of which {', '.join(lost)} would not be held back by the score" if lost else ""
    if tau < AGREES or lost:
        yield Finding(
            "warning", text, "evaluate.py: screen",
            "make the screen more like the score (the same measure on less data), keep more (stages.screen_keep), or drop it",
        )  # fmt: skip
    else:
        yield Finding("note", text, "evaluate.py: screen", "nothing: it agrees")


def below(survey: Survey, rows: Sequence[Measured], values: Sequence[float]) -> list[Measured]:
    """Return the references that a screen which gave these values would hold back, in a run whose latest candidates are these
    programs.
    """
    sign = survey.task.score.sign
    bar = Screen(sign, survey.task.stages.screen_keep, [*values] * (1 + FEWEST // len(values))).bar
    pairs = zip(rows, values, strict=True)
    return [row for row, value in pairs if row is not survey.seed and bar is not None and sign * value < sign * bar]
