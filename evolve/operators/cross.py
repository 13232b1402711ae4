"""`cross`: a model makes one program of the parent and an inspiration."""

from __future__ import annotations

from random import Random

from evolve.operators import forms
from evolve.operators.conversation import converse
from evolve.prompt import Prompts
from evolve.records import Background, Proposal, Task
from evolve.seams import Exchange, Stop


class Cross:
    """The operator."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def write(self, proposal: Proposal, task: Task, background: Background) -> Exchange:
        """Ask for a combination and return it.

        Raises:
            Stop: when there is nothing to combine the parent with, or the replies hold no program.
        """
        parent = proposal.parent
        others = [other for other in proposal.inspirations if other.digest != parent.digest]
        if not others:
            raise Stop("draft", "no inspiration to combine with")
        partner = Random(proposal.seed).choice(others)
        form = forms.rewrite(task, parent, partner)
        return (yield from converse(self._prompts, "cross", form, proposal, task, background, partner))
