"""Waiting for what another thread or process does, such as a judge."""

from __future__ import annotations

import time
from collections.abc import Callable

from evolve.records import Evaluation, Job
from evolve.seams import Executor


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until ``condition`` holds, and fail if that takes longer than so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answers(executor: Executor, *jobs: Job, within: float = 30.0) -> list[Evaluation]:
    """Hand jobs to a judge, and return what it saw of each; fail if that takes longer than so many seconds."""
    futures = [executor.submit(job) for job in jobs]
    end = time.monotonic() + within
    while not all(future.done() for future in futures):
        assert time.monotonic() < end, "the executor is stuck"
        executor.pump(1.0)
    return [future.result() for future in futures]


def answer(executor: Executor, job: Job, within: float = 600.0) -> Evaluation:
    """Hand one job to a judge, which may have a model to train."""
    (seen,) = answers(executor, job, within=within)
    return seen
