"""Judges programs given as text, in this process: for tests of tasks' judges."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from evolve.executor import InlineExecutor
from evolve.records import Evaluation, Job
from evolve.task import load
from tests.waiting import answer


def judged(name: str, text: str | None = None, seed: int = 0, seconds: float = 60.0) -> Evaluation:
    """Return the evaluation of a program for the library's task ``name``: of its seed program, where there is no text."""
    task = load(name)
    executor = InlineExecutor(replace(task, limits=replace(task.limits, seconds=seconds, call_seconds=seconds)))
    try:
        return answer(executor, Job("x", task.initial if text is None else {task.entry: text}, seed))
    finally:
        executor.close()


@contextmanager
def script(name: str) -> Iterator[ModuleType]:
    """Have a task's judge imported, for tests of its parts."""
    spec = importlib.util.spec_from_file_location(f"judge_of_{name.rpartition('/')[2]}", load(name).evaluator)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def reference(name: str, program: str) -> str:
    """Return the text of one of a task's reference programs."""
    return (Path(load(name).root) / "references" / program).read_text()


def returning(function: str, expression: str) -> str:
    """Return a program whose function returns what the expression gives; ``np`` is NumPy there."""
    return f"import numpy as np\n\n\ndef {function}(*args):\n    return {expression}\n"


def refused(seen: Evaluation, says: str) -> bool:
    """Whether an answer got no score, and by the judge's verdict or before it came across."""
    assert seen.score is None
    assert seen.status in ("invalid", "protocol"), (seen.status, seen.error)
    return seen.status == "protocol" or says in seen.error + seen.feedback
