"""What can be wrong with a task itself, found before a night is spent on it. Each finding says what, where, and what to do.

finding.py    the record
folder.py     what is missing, and limits far from what an evaluation costs
leaks.py      what prompts and jails see, but must not
measured.py   noise, chance that no seed fixes, a screen that disagrees with the score
remember.py   a score that a program reaches by repeating remembered answers
"""

from __future__ import annotations

from evolve.jail import Confinement
from evolve.lint import folder, leaks, measured, remember
from evolve.lint.finding import LEVELS, Finding
from evolve.references import Tell
from evolve.survey import Survey

__all__ = ["Finding", "findings"]


def findings(survey: Survey, confinement: Confinement, tell: Tell = lambda what, done, of: None) -> list[Finding]:
    """Return what is wrong with a task, the worst first.

    Args:
        survey: what its programs scored.
        confinement: how candidates are confined: one that repeats remembered answers is judged.
        tell: told of each evaluation.

    Raises:
        JudgeError: when ``evaluate.py`` itself keeps failing.
    """
    found = [*leaks.findings(survey.task), *measured.findings(survey), *folder.findings(survey)]
    found += remember.findings(survey, confinement, tell)
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))
