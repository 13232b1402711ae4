"""What the tests of tasks on SmolLM2 share: a judge of a task on few short texts, where the model is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evolve.errors import TaskError
from evolve.executor import InlineExecutor
from evolve.records import Evaluation, Job
from evolve.task import load
from tests.waiting import answer

if TYPE_CHECKING:
    from evolve.kit.smollm import Llama

SMALL = {"calibration": 1, "length": 48, "pieces": 1, "screen_pieces": 1}


def model() -> Llama:
    """Return the model; skip the test where its packages are not installed."""
    from evolve.kit import smollm

    try:
        return smollm.load()
    except TaskError as missing:
        pytest.skip(str(missing))


@contextmanager
def executor_of(name: str, cache: Path) -> Iterator[InlineExecutor]:
    """Give a judge of a task on one seed, whose statistics are kept in the folder ``cache``."""
    model()
    task = load(name)
    task = replace(task, settings={**task.settings, **SMALL}, stages=replace(task.stages, repeats=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        executor = InlineExecutor(task)
        try:
            yield executor
        finally:
            executor.close()


def judged(executor: InlineExecutor, text: str) -> Evaluation:
    """Return what the judge saw of a program."""
    return answer(executor, Job("x", {"initial.py": text}, 0))
