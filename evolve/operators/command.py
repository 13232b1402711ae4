"""The operator of arms that are commands: a coding agent, or any program, edits the parent's files in a folder."""

from __future__ import annotations

import json

from evolve import blocks, wording
from evolve.operators import forms
from evolve.patch import describe
from evolve.prompt import Prompts
from evolve.records import Background, Draft, Proposal, Reply, Sources, Task
from evolve.seams import Exchange, Stop

_FORM = "the command's reply must be a JSON object of paths and texts"


class Command:
    """The operator: there is no correction, since a command can check its work itself."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def write(self, proposal: Proposal, task: Task, background: Background) -> Exchange:
        """Hand over the parent's files and return them as the command left them.

        Raises:
            Stop: if they are other files, changed where they are frozen, or not changed at all.
        """
        reply = yield self._prompts.render("command", proposal, background, forms.FOLDER)
        before, after = proposal.parent.sources, _files(reply)
        # Asked here too, since it may name many odd files, and is shortened.
        if problem := blocks.breach(before, after):
            raise Stop("draft", wording.oneline(problem))
        if after == dict(before):
            raise Stop("draft", "the command changed nothing")
        return Draft(after, describe(before, after, ""))


def _files(reply: Reply) -> Sources:
    """Return the files in a reply.

    Raises:
        Stop: if it is anything but an object of texts.
    """
    try:
        found = json.loads(reply.text)
    except json.JSONDecodeError as problem:
        raise Stop("draft", f"{_FORM}: {problem}") from None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise Stop("draft", f"{_FORM}, not {wording.oneline(reply.text)}")
    return found
