"""`fix`: a model repairs a parent that failed, shown its error."""

from __future__ import annotations

from evolve import blocks
from evolve.operators import forms
from evolve.operators.conversation import converse
from evolve.prompt import Prompts
from evolve.records import Background, Proposal, Sources, Task
from evolve.seams import Exchange

LONG = 8000
"""Bytes of evolvable text above which a repair is asked for as edits: to write all of it again would cost too much."""


class Fix:
    """The operator."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def write(self, proposal: Proposal, task: Task, background: Background) -> Exchange:
        """Ask for the same program without its failure and return it.

        Raises:
            Stop: when the replies cannot be used.
        """
        parent = proposal.parent
        form = forms.EDITS if _evolvable(parent.sources) > LONG else forms.rewrite(task, parent)
        return converse(self._prompts, "fix", form, proposal, task, background)


def _evolvable(sources: Sources) -> int:
    parts = (part for cut in blocks.segments(sources).values() for part in cut)
    return sum(len(part.text.encode()) for part in parts if part.evolvable)
