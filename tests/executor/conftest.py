import textwrap
import time
from dataclasses import replace

import pytest

from evolve.jail import choose
from evolve.records import Job, Limits, Metric, Task


@pytest.fixture
def make_task(tmp_path):
    """A task whose evaluate.py is the given text."""

    def make(evaluate="", *, harness=None, entry="initial.py", limits=None, **changes):
        script = tmp_path / "evaluate.py"
        script.write_text(textwrap.dedent(evaluate))
        limits = replace(Limits(seconds=20.0, call_seconds=10.0, memory=512 << 20), **(limits or {}))
        task = Task(
            name="toy", brief="", root=tmp_path, entry=entry, language="python", initial={}, evaluator=script,
            harness=harness and textwrap.dedent(harness), score=Metric("score", "maximize"), metrics={}, limits=limits,
            packages=(), preload=(), data=(), baselines=(), search={}, allow_nonfinite=False, digest="0" * 64,
        )  # fmt: skip
        return replace(task, **changes)

    return make


@pytest.fixture(scope="session")
def open_air():
    return choose("none")


@pytest.fixture
def settle():
    """Run jobs through an executor and return their evaluations, in order."""

    def run(executor, *programs, seed=0, within=30.0):
        jobs = [Job(str(n), {"initial.py": p} if isinstance(p, str) else p, seed) for n, p in enumerate(programs)]
        futures = [
            executor.submit(replace(job, sources={k: textwrap.dedent(v) for k, v in job.sources.items()}))
            for job in jobs
        ]
        end = time.monotonic() + within
        while not all(future.done() for future in futures):
            assert time.monotonic() < end, "the executor is stuck"
            executor.pump(1.0)
        return [future.result() for future in futures]

    return run
