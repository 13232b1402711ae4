"""The forms in which a reply may give a child, and how each is asked for: as edits, as a rewrite, as a folder's files."""

from __future__ import annotations

from evolve import blocks, wording
from evolve.prompt import Form
from evolve.records import Program, Task

FOLDER = Form("folder")
EDITS = Form("edits", begin="<<<<<<< SEARCH\n")


def rewrite(task: Task, *programs: Program) -> Form:
    """Return the form of a whole program: the one evolve block, the one file, or each changed file under its path.

    Its fence is longer than any in ``programs``, those that are shown. Where the code can begin and end in one way only,
    the form says so: a model that is given the beginning has no choice but to go on with code.
    """
    parts = blocks.segments(programs[0].sources)
    fence = wording.fence(*(text for program in programs for text in program.sources.values()))
    editable = [cut for cut in parts.values() if any(part.evolvable for part in cut)]
    if len(editable) != 1:
        return Form("rewrite", fence)
    begin = f"{fence}{task.language}\n"
    cut = editable[0]
    places = [at for at, part in enumerate(cut) if part.evolvable]
    if len(cut) == 1:
        # The fence at the start of a line cannot stand in Python but within a string, and a string cut there does not
        # parse: a program that is stopped by its own text is never taken for a whole one.
        return Form("rewrite", fence, begin=begin, stop=(f"\n{fence}\n",) if task.language == "python" else ())
    if len(places) != 1:
        return Form("rewrite", fence)
    start, end = cut[places[0] - 1].text.splitlines()[-1], cut[places[0] + 1].text.splitlines()[0]
    return Form("rewrite", fence, mark=True, begin=f"{begin}{start}\n", stop=(end.strip(),))


def closed(text: str, form: Form) -> str:
    """Return a reply of ``form`` that its model ended, with the mark that is missing where that itself was the end.

    A model that closed its code without the mark is taken to have left out the marks, as one may.
    """
    before, start, after = text.rpartition(blocks.START)
    if not form.mark or not start or blocks.END in after:
        return text
    if any(len(line.strip()) >= len(form.fence) and not line.strip().strip("`") for line in after.splitlines()):
        return before[: before.rfind("\n") + 1] + after.partition("\n")[2]
    return f"{text.rstrip()}\n{form.stop[0]}\n{form.fence}\n"
