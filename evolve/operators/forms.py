"""The forms in which a reply may give a child, and how each is asked for: as edits, as a rewrite, as a folder's files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import takewhile
from random import Random

from evolve import blocks, normal, wording
from evolve.prompt import Form
from evolve.records import Program, Sources, Task

FOLDER = Form("folder")
EDITS = Form("edits", begin="<<<<<<< SEARCH\n")
LONGEST = 6000
"""The most characters of a function that an edit is begun with."""
_END = ">>>>>>> REPLACE"


def edits(task: Task, parent: Program, seed: int) -> Form:
    """Return the form of edits, begun for a model that takes a beginning with one function, which ``seed`` chooses.

    The beginning holds all of SEARCH, so that it cannot be wrong, and the first line of the new function: what is left to
    write is code. A model that is not given the beginning finds the function's name in its prompt, and may edit the rest too.
    """
    found = sorted(_functions(parent.sources)) if task.language == "python" else []
    if not found:
        return EDITS
    name, whole, head = Random(seed).choice(found)
    return Form("edits", begin=f"{EDITS.begin}{whole}=======\n{head}", stop=(f"\n{_END}",), focus=name)


def _functions(sources: Sources) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the text and the head, up to the body, of each function that may change and occurs once."""
    every = "\n".join(sources.values())
    for path, parts in blocks.segments(sources).items():
        tree = normal.parse(sources[path]) if path.endswith(".py") and "\r" not in sources[path] else None
        lines = sources[path].split("\n")
        for node in _definitions(tree) if tree else ():
            start = min([node.lineno, *(mark.lineno for mark in node.decorator_list)]) - 1
            whole = "\n".join(lines[start : node.end_lineno]) + "\n"
            head = "\n".join(lines[start : node.body[0].lineno - 1]) + "\n"
            inside = any(part.evolvable and whole in part.text for part in parts)
            if inside and head.strip() and len(whole) <= LONGEST and every.count(whole) == 1 and "=====" not in whole:
                yield node.name, whole, head


def _definitions(tree: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions of a module and the methods of its classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _definitions(node)


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
    if form.kind == "edits":
        return _ended(text, form) if form.stop else text
    before, start, after = text.rpartition(blocks.START)
    if not form.mark or not start or blocks.END in after:
        return text
    if any(len(line.strip()) >= len(form.fence) and not line.strip().strip("`") for line in after.splitlines()):
        return before[: before.rfind("\n") + 1] + after.partition("\n")[2]
    return f"{text.rstrip()}\n{form.stop[0]}\n{form.fence}\n"


def _ended(text: str, form: Form) -> str:
    """Return an edit whose last block lacks its end with that end, as where a reply was stopped at it.

    Where the beginning was given, no fence is open: one that the model closes ends the code, and what follows is words.
    """
    before, divider, new = text.rpartition("\n=======\n")
    lines = new.splitlines()
    if text.startswith(form.begin):
        lines = list(takewhile(lambda line: not line.startswith("```"), lines))
    if (
        not divider
        or not "".join(lines).strip()
        or any(line.startswith(("```", "<<<<<<<", ">>>>>>>")) for line in lines)
    ):
        return text
    return f"{before}{divider}{chr(10).join(lines).rstrip()}{form.stop[0]}\n"
