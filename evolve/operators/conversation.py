"""Asking for a child: a prompt, and where its reply cannot be used one more, which says why."""

from __future__ import annotations

from evolve import wording
from evolve.operators import forms
from evolve.patch import PatchError, apply_edits, apply_rewrite, describe
from evolve.patch.fences import fence
from evolve.prompt import Form, Prompts
from evolve.records import Background, Draft, Program, Proposal, Reply, Sources, Task
from evolve.seams import Exchange, Stop


def converse(
    prompts: Prompts,
    name: str,
    form: Form,
    proposal: Proposal,
    task: Task,
    background: Background,
    partner: Program | None = None,
) -> Exchange:
    """Ask for a child with the templates ``name``, once more if the reply cannot be used, and return it.

    Raises:
        Stop: if the second reply cannot be used either, or the first leaves nothing to correct.
    """
    prompt = prompts.render(name, proposal, background, form, partner)
    reply = yield prompt
    try:
        return _child(reply, form, proposal.parent, task)
    except PatchError as problem:
        reason = problem.reason
    reply = yield prompts.correction(prompt, reply, reason, name)
    try:
        return _child(reply, form, proposal.parent, task)
    except PatchError as problem:
        raise Stop("draft", wording.oneline(problem.reason)) from None


def _child(reply: Reply, form: Form, parent: Program, task: Task) -> Draft:
    """Return what a reply makes of the parent.

    Raises:
        PatchError: if it cannot be used, but the next might.
        Stop: if asking again would bring the same.
    """
    if reply.finish == "refusal":
        raise Stop("draft", f"refused: {wording.oneline(reply.text or reply.note) or 'without a word'}")
    if not reply.text.strip():
        if reply.finish == "length":
            raise Stop("draft", "all tokens of the reply went into thinking; raise max_tokens or lower effort")
        raise PatchError("it was empty")
    sources = _sources(reply, form, parent, task)
    return Draft(sources, describe(parent.sources, sources, reply.text))


def _sources(reply: Reply, form: Form, parent: Program, task: Task) -> Sources:
    text = forms.closed(reply.text, form) if reply.finish == "stop" else reply.text
    if form.kind == "edits":
        return apply_edits(parent.sources, text, task.language, cut=reply.finish == "length")
    return apply_rewrite(parent.sources, text, task.language, cut=reply.finish != "stop" and not _closed(reply))


def _closed(reply: Reply) -> bool:
    """Whether a reply ends with a closed fence, though its service does not say whether it was cut off."""
    last = fence(reply.text.rstrip().rpartition("\n")[2])
    return reply.finish == "other" and last is not None and last.bare
