"""The operators of arms that are asked, by name: those of models, and those of commands."""

from __future__ import annotations

from evolve.operators.command import Command
from evolve.operators.cross import Cross
from evolve.operators.diff import Diff
from evolve.operators.fix import Fix
from evolve.operators.full import Full
from evolve.prompt import Prompts
from evolve.records import Task
from evolve.seams import Writer


def writers(task: Task, tokens: int, *, knowledge: bool = True) -> dict[str, Writer]:
    """Return the operators of models, whose prompts have about ``tokens`` tokens at most, the task's ``knowledge`` included or
    left out.

    Raises:
        EvolveError: if a template cannot be used.
    """
    prompts = Prompts(task, tokens, knowledge=knowledge)
    return {"diff": Diff(prompts), "full": Full(prompts), "cross": Cross(prompts), "fix": Fix(prompts)}


def command_writers(task: Task, tokens: int, *, knowledge: bool = True) -> dict[str, Writer]:
    """Return the operators of commands: one, which changes a parent or repairs it, whichever it needs.

    Raises:
        EvolveError: if a template cannot be used.
    """
    command = Command(Prompts(task, tokens, knowledge=knowledge))
    return {"full": command, "fix": command}
