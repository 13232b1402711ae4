"""`diff`: a model changes places of the parent, by SEARCH/REPLACE blocks."""

from __future__ import annotations

from evolve.operators import forms
from evolve.operators.conversation import converse
from evolve.prompt import Prompts
from evolve.records import Background, Proposal, Task
from evolve.seams import Exchange


class Diff:
    """The operator."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def write(self, proposal: Proposal, task: Task, background: Background) -> Exchange:
        """Ask for changes and return the parent with them.

        Raises:
            Stop: when they cannot be made, even when asked for again.
        """
        form = forms.edits(task, proposal.parent, proposal.seed)
        return converse(self._prompts, "diff", form, proposal, task, background)
