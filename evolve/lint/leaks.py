"""What prompts and jails see of a task, but must not: lines of its references, constants of its hidden part, hidden data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evolve.errors import TaskError
from evolve.jail.packages import visible
from evolve.lint.finding import Finding
from evolve.lint.folder import named
from evolve.records import Sources, Task
from evolve.task import reference

LONG = 24
"""Characters from which a line of code is nobody's by chance."""
SHARED = 3
"""Lines that a file in the jail and a reference may not have in common; fewer are the same helper, written twice."""
WORD = 16
"""Characters from which a text without spaces is a constant, such as a hash, and not a word."""
_NUMBER = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w|\.\d)")
_PROSE = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?!\w|[.,]\d)")
"""``31,337``, which code means as two numbers."""
_OPEN = ("evaluate", "screen")
"""The functions whose constants decide the score that a run sees."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text that a prompt shows (``prompt``), or that lies in the jail beside the candidate (``jail``)."""

    name: str
    text: str
    to: Literal["prompt", "jail"]


def findings(task: Task) -> Iterator[Finding]:
    """Yield what can be seen."""
    texts = list(shown(task))
    yield from _references(task, texts)
    yield from _constants(task, texts)
    yield from _packages(task)
    yield from _places(task)


def shown(task: Task) -> Iterator[Shown]:
    """Yield all that a prompt or a jail sees of a task beside the candidate."""
    yield Shown("task.toml: brief", task.brief, "prompt")
    for folder in ("knowledge", "prompts"):
        for path in sorted((task.root / folder).rglob("*")):
            if path.is_file():
                yield Shown(named(path, task.root), path.read_text(encoding="utf-8", errors="replace"), "prompt")
    if task.harness is not None:
        yield Shown("harness.py", task.harness, "jail")
    for name, text in task.shipped.items():
        yield Shown(name, text if isinstance(text, str) else text.decode(errors="replace"), "jail")


def _references(task: Task, texts: Iterable[Shown]) -> Iterator[Finding]:
    """Yield where lines of a reference stand that are not the seed program's too."""
    common = {line for text in task.initial.values() for line in lines(text)}
    for name, sources in _programs(task):
        own = {line for text in sources.values() for line in lines(text)} - common
        for text in texts:
            flat = _flat(text.text)
            found = sorted(line for line in own if line in flat)
            if found and (text.to == "prompt" or len(found) >= SHARED):
                yield Finding(
                    "error" if text.to == "prompt" else "warning",
                    f"{len(found)} lines of {name} stand where a {text.to} sees them, such as: {found[0]}",
                    text.name,
                    "take them out there: a search that is shown the answer finds nothing",
                )


def _programs(task: Task) -> Iterator[tuple[str, Sources]]:
    """Yield all reference programs, those that no baseline names as well."""
    told = {baseline.program: reference(task, baseline) for baseline in task.baselines if baseline.program}
    yield from ((name, sources) for name, sources in told.items() if sources != task.initial)
    for path in sorted((task.root / "references").rglob("*.py")):
        place = named(path, task.root)
        if not any(place == name or place.startswith(f"{name}/") for name in told):
            yield place, {place: path.read_text(encoding="utf-8", errors="replace")}


def lines(text: str) -> set[str]:
    """Return the lines of a program that say what it does, each with single spaces: no comment, docstring, import or head."""
    prose = _docstrings(text)
    found = set()
    for number, raw in enumerate(text.splitlines(), start=1):
        line = _flat(raw)
        if number in prose or len(line) < LONG or not re.search(r"[=(\[*+/-]", line):
            continue
        if not re.match(r"(#|//|import |from |def |class |@|raise |\"\"\"|''')", line):
            found.add(line)
    return found


def _docstrings(text: str) -> set[int]:
    """Return the numbers of the lines that docstrings cover."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # another language
        return set()
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return {number for one in strings for number in range(one.lineno, (one.end_lineno or one.lineno) + 1)}


def _flat(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------------- constants


def _constants(task: Task, texts: Iterable[Shown]) -> Iterator[Finding]:
    """Yield where a constant stands that only ``validate`` uses."""
    try:
        tree = ast.parse(task.evaluator.read_bytes())
    except (OSError, SyntaxError, ValueError):  # which the judge says
        return
    secret = hidden(tree)
    seed = [Shown(path, text, "prompt") for path, text in task.initial.items()]
    for text in [*texts, *seed]:
        numbers = {_value(match[0]) for pattern in (_NUMBER, _PROSE) for match in pattern.finditer(text.text)}
        found = [one for one in secret if (one in text.text if isinstance(one, str) else one in numbers)]
        if found:
            yield Finding(
                "error" if text.to == "prompt" else "warning",
                f"{', '.join(map(repr, found))}, which only validate uses, stands where a {text.to} sees it",
                text.name,
                "take it out there, or choose another one in evaluate.py, such as a validation seed that is not told",
            )


def hidden(tree: ast.Module) -> list[float | str]:
    """Return the constants that ``validate`` of an ``evaluate.py`` uses, itself or through what it calls, and that the functions
    which a run asks do not: numbers that nobody writes by chance, and long texts without spaces.
    """
    bodies = dict(_bodies(tree))
    secret = _reached("validate", bodies)
    for name in _OPEN:
        secret -= _reached(name, bodies)
    open_ = {value for name in _OPEN for part in _reached(name, bodies) for value in _values(bodies[part])}
    found = [value for name in sorted(secret) for value in _values(bodies[name]) if value not in open_]
    return list(dict.fromkeys(found))


def _bodies(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the names that a module binds at its top level, with what is bound."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((one.id, node) for target in targets for one in ast.walk(target) if isinstance(one, ast.Name))


def _reached(name: str, bodies: dict[str, ast.stmt]) -> set[str]:
    """Return the names of a module that ``name`` needs, itself included."""
    found: set[str] = set()
    queue = [name]
    while queue:
        one = queue.pop()
        if one in bodies and one not in found:
            found.add(one)
            queue += [node.id for node in ast.walk(bodies[one]) if isinstance(node, ast.Name)]
    return found


def _values(node: ast.AST) -> Iterator[float | str]:
    for one in ast.walk(node):
        value = one.value if isinstance(one, ast.Constant) else None
        if (isinstance(value, str) and len(value) >= WORD and not re.search(r"\s", value)) or (
            isinstance(value, int | float) and not isinstance(value, bool) and _telling(value)
        ):
            yield value


def _telling(value: float) -> bool:
    """Whether a number is nobody's by chance: neither small nor round nor a power of two."""
    if isinstance(value, int):
        return abs(value) >= 100 and value % 100 != 0 and abs(value) & (abs(value) - 1) != 0
    return len(repr(value).strip("-0.").replace(".", "")) >= 5


def _value(text: str) -> float:
    plain = text.replace("_", "").replace(",", "")
    return int(plain) if plain.isdigit() else float(plain)


# ---------------------------------------------------------------------- packages and places


def _packages(task: Task) -> Iterator[Finding]:
    try:
        visible(task.packages, task.data)
    except TaskError as error:
        yield Finding("error", str(error), "task.toml: packages", "a jail must not see what holds hidden data")
    if not task.packages or not task.evaluator.is_file():
        return
    try:
        tree = ast.parse(task.evaluator.read_bytes())
    except (SyntaxError, ValueError):  # which the judge says
        return
    for name in _imported(tree):
        top = name.partition(".")[0]
        if "dataset" in name.lower() and top in {_module(text) for text in task.packages}:
            yield Finding(
                "warning", f"the judge takes data from {name}, which the jail can import as well", "task.toml: packages",
                "leave the package out of `packages`, or give the judge data that no installed package holds",
            )  # fmt: skip


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(requirement: str) -> str:
    """Return the name under which a distribution is probably imported."""
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].replace("-", "_").lower()
    return {"scikit_learn": "sklearn"}.get(name, name)


def _places(task: Task) -> Iterator[Finding]:
    for baseline in task.baselines:
        first = Path(baseline.program).parts[0] if baseline.program else "references"
        if first in ("knowledge", "prompts"):
            yield Finding(
                "error", f"the program of {baseline.name!r} lies where prompts are made from", baseline.program or "",
                "move it to references/, which neither prompt nor jail sees",
            )  # fmt: skip
        elif first not in ("references", "variants", "initial") and not first.startswith("initial."):
            yield Finding(
                "warning", f"the program of {baseline.name!r} lies outside references/", baseline.program or "",
                "move it there: the task's digest covers other files, so that every change of it makes old scores incomparable",
            )  # fmt: skip
