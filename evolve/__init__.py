"""Evolve programs overnight: an archive of better ones in the morning, each judged in a jail that it cannot cheat."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolve.api import Run as Run
    from evolve.api import Search as Search
    from evolve.api import optimize as optimize
    from evolve.api import resume as resume
    from evolve.api import run as run
    from evolve.archive import Archive as Archive
    from evolve.errors import EvolveError as EvolveError
    from evolve.judge import Candidate as Candidate
    from evolve.judge import CandidateFailed as CandidateFailed
    from evolve.judge import Invalid as Invalid
    from evolve.records import Attempt as Attempt
    from evolve.records import Evaluation as Evaluation
    from evolve.records import Program as Program
    from evolve.records import Result as Result
    from evolve.records import Task as Task
    from evolve.task import load as load_task

_HOMES = {
    "Archive": "archive:Archive",
    "Attempt": "records:Attempt",
    "Candidate": "judge:Candidate",
    "CandidateFailed": "judge:CandidateFailed",
    "EvolveError": "errors:EvolveError",
    "Evaluation": "records:Evaluation",
    "Invalid": "judge:Invalid",
    "Program": "records:Program",
    "Result": "records:Result",
    "Run": "api:Run",
    "Search": "api:Search",
    "Task": "records:Task",
    "load_task": "task:load",
    "optimize": "api:optimize",
    "resume": "api:resume",
    "run": "api:run",
}

__all__ = [
    "Archive", "Attempt", "Candidate", "CandidateFailed", "Evaluation", "EvolveError", "Invalid", "Program", "Result", "Run",
    "Search", "Task", "__version__", "load_task", "optimize", "resume", "run",
]  # fmt: skip

try:
    __version__ = version("evolve-programs")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: a judge, which needs three of them, must start in milliseconds."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
