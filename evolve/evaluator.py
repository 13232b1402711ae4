"""What an ``evaluate.py`` offers, read from its text: it is the judge's, so it is not run to find out."""

from __future__ import annotations

import ast

from evolve.records import Task


def has_validate(task: Task) -> bool:
    """Return whether a task's ``evaluate.py`` has a ``validate``: defines, imports or assigns it, in whatever branch."""
    return any(_binds(node, "validate") for node in _module(task))


def has_screen(task: Task) -> bool:
    """Return likewise whether it has a ``screen``."""
    return any(_binds(node, "screen") for node in _module(task))


def takes_seed(task: Task) -> bool:
    """Return whether a task's ``evaluate`` is given the seed; where that cannot be read, as of an imported one, True."""
    function = _function(task, "evaluate")
    if function is None:
        return not task.foreign
    names = function.args
    return any(one.arg == "seed" for one in (*names.posonlyargs, *names.args, *names.kwonlyargs))


def seedless(task: Task) -> str:
    """Return what to say where candidates are judged on several seeds by an ``evaluate`` that is given none of them; an empty
    string elsewhere.
    """
    if task.stages.repeats == 1 or _function(task, "evaluate") is None or takes_seed(task):
        return ""
    return (
        f"evaluate has no parameter `seed`, so none of its {task.stages.repeats} repeats is told from the others: declare "
        "evaluate(candidate, seed) and draw all chance from it, or leave stages.repeats out"
    )


def _module(task: Task) -> list[ast.stmt]:
    """Return the statements of a task's ``evaluate.py``. It is read, not run: it is the judge's. Evaluators of other frameworks
    have none of our functions, whatever they call theirs.
    """
    if task.foreign or not task.evaluator.is_file():
        return []
    try:
        return ast.parse(task.evaluator.read_bytes()).body
    except (SyntaxError, ValueError):  # which the judge will say
        return []


def _function(task: Task, name: str) -> ast.FunctionDef | None:
    """Return a function that a task's ``evaluate.py`` defines at its top level."""
    found = [node for node in _module(task) if isinstance(node, ast.FunctionDef) and node.name == name]
    return found[-1] if found else None


def _binds(node: ast.stmt, name: str) -> bool:
    """Return whether a statement at the top level of a module gives it ``name``."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return node.name == name
    if isinstance(node, ast.Import | ast.ImportFrom):
        return any((alias.asname or alias.name) == name for alias in node.names)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(target, ast.Name) and target.id == name for target in targets)
    return any(_binds(child, name) for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node)
