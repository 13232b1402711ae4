"""`full`: a model writes all that may change of the parent anew."""

from __future__ import annotations

from evolve.operators import forms
from evolve.operators.conversation import converse
from evolve.prompt import Prompts
from evolve.records import Background, Proposal, Task
from evolve.seams import Exchange


class Full:
    """The operator."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def write(self, proposal: Proposal, task: Task, background: Background) -> Exchange:
        """Ask for another program and return it.

        Raises:
            Stop: when the replies hold none.
        """
        form = forms.rewrite(task, proposal.parent, *proposal.inspirations)
        return converse(self._prompts, "full", form, proposal, task, background)
