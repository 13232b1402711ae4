"""Tasks and proposals to render prompts of: small, fixed, and with something of everything a prompt can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evolve.records import Background, Evaluation, Program, Proposal, Sources, Task, Tried
from evolve.task import load

MARKED = '''\
"""Packs circles."""

# EVOLVE-BLOCK-START
def pack(n):
    """Return n radii."""
    return [0.1] * n
# EVOLVE-BLOCK-END
'''
PLAIN = """\
def predict(x):
    return 0.5 * x
"""
FILES = {
    "main.py": "import rule\n\n\ndef run(n):\n    return rule.first(n)\n",
    "rule.py": "# EVOLVE-BLOCK-START\ndef first(n):\n    return n\n# EVOLVE-BLOCK-END\n",
    "table.txt": "1 2 3\n" * 20,
}
_MAXIMIZE = """\
brief = "Make the sum of the radii large.\\n\\n`pack(n)` returns n radii."
entry = "{entry}"
packages = ["numpy"]
[score]
unit = "sum of radii"
bounds = [0, 2.877]
target = 2.636
[metrics.slack]
unit = "length"
[metrics.smallest]
direction = "maximize"
[limits]
seconds = 8
call_seconds = 5
memory = "1 GiB"
"""
_MINIMIZE = """\
brief = "Fit a curve."
[score]
direction = "minimize"
unit = "mean squared error"
bounds = [0, inf]
"""


def task(root: Path, sources: Sources, *, minimize: bool = False) -> Task:
    """Return a task with these files as its seed, in the folder ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    entry = "initial.py" if len(sources) == 1 else "main.py"
    (root / "task.toml").write_text(_MINIMIZE if minimize else _MAXIMIZE.format(entry=entry))
    (root / "evaluate.py").write_text("def evaluate(candidate):\n    return candidate.call('f')\n")
    place = root if len(sources) == 1 else root / "initial"
    for path, text in sources.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    return load(root)


def program(
    task: Task, name: str = "p", score: float | None = 2.6351231, changed: Mapping[str, str] | None = None
) -> Program:
    """Return a program: the seed with texts replaced in all its files, each of ``changed`` by its value."""
    sources = dict(task.initial)
    for old, new in (changed or {}).items():
        sources = {path: text.replace(old, new) for path, text in sources.items()}
    metrics = {"slack": 0.0001, "smallest": 0.06912345678, "odd": 1.0} if score is not None else {}
    return Program(name * 64, sources, "ok" if score is not None else "crash", score, metrics)


def proposal(parent: Program, *inspirations: Program, best: float | None = 2.636) -> Proposal:
    """Return a job that changes ``parent``."""
    return Proposal(10, parent, inspirations, 0, "model", "diff", 1, 9, best=best)


def background(parent: Program) -> Background:
    """Return what is known about ``parent``: attempts that ended in every way, and two steps."""
    known = Evaluation("ok", parent.score, parent.metrics, feedback="the corners are empty")
    if parent.score is None:
        error = 'Traceback (most recent call last):\n  File "initial.py", line 6, in pack\nZeroDivisionError: division by zero'
        known = Evaluation("crash", error=error, output="packing\n")
    first = Tried(9, "model", "diff", "ok", "a wider ring", "", 2.6, -0.0351231)
    tried = (
        first,
        replace(
            first,
            number=8,
            how="crash",
            note="SciPy",
            reason="Traceback\nModuleNotFoundError: scipy",
            score=None,
            gain=None,
        ),
        replace(first, number=7, how="novelty", note="", reason="the same as b0a1", score=None, gain=None),
        replace(
            first, number=6, how="draft", note="", reason="the searched lines are not there", score=None, gain=None
        ),
        replace(first, number=5, how="ask", note="unseen", reason="no reply", score=None, gain=None),
    )
    line = (
        replace(first, number=4, note="moved the rings", score=2.6351231, gain=0.2),
        replace(first, number=2, note="", score=2.4351231, gain=0.0),
    )
    return Background(known, tried, line)
