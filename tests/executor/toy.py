"""A toy task whose evaluate.py is given as text, programs for it, and the way through an executor and back."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from evolve.records import Evaluation, Job, Limits, Sources, Task
from evolve.seams import Executor
from tests import archives
from tests.waiting import answers

CALL = 'def evaluate(candidate):\n    return candidate.call("f")\n'
FINE = "def f():\n    return 1.0"
LIMITS = Limits(seconds=20.0, call_seconds=10.0, memory=512 << 20)


class Changes(TypedDict, total=False):
    """What a test may change of the toy task."""

    entry: str
    harness: str
    limits: Limits
    packages: tuple[str, ...]
    allow_nonfinite: bool


def toy(folder: Path, evaluate: str = CALL, **changes: Unpack[Changes]) -> Task:
    """Write ``evaluate`` into ``folder`` and return its task."""
    script = folder / "evaluate.py"
    script.write_text(textwrap.dedent(evaluate))
    task = replace(archives.task("toy"), root=folder, entry="initial.py", initial={}, evaluator=script, limits=LIMITS)
    return replace(task, **changes)


def settle(executor: Executor, *programs: str | Sources, seed: int = 0, within: float = 30.0) -> list[Evaluation]:
    """Run programs through an executor and return their evaluations, in order."""
    jobs = []
    for number, program in enumerate(programs):
        sources = {"initial.py": program} if isinstance(program, str) else program
        jobs.append(Job(str(number), {path: textwrap.dedent(text) for path, text in sources.items()}, seed))
    return answers(executor, *jobs, within=within)
