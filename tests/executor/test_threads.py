import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.executor import ThreadExecutor
from evolve.jail import choose
from evolve.judge.candidate import Candidate
from evolve.records import Job
from tests.executor.toy import FINE, LIMITS, settle, toy


def test_a_function_of_the_callers_judges_on_several_threads(tmp_path: Path) -> None:
    seen: list[str] = []
    meet = threading.Barrier(2, timeout=20)

    def evaluate(candidate: Candidate) -> object:
        meet.wait()
        seen.append(threading.current_thread().name)
        return candidate.call("f")

    executor = ThreadExecutor(toy(tmp_path), evaluate, choose("none"), 2)
    assert [s.score for s in settle(executor, *[FINE] * 6)] == [1.0] * 6
    assert set(seen) == {"evolve-slot-0", "evolve-slot-1"}
    executor.close()


def test_a_function_that_hangs_loses_its_thread_but_not_the_slot(tmp_path: Path) -> None:
    release = threading.Event()
    task = toy(tmp_path, limits=replace(LIMITS, seconds=0.3))

    def evaluate(candidate: Candidate, seed: int) -> int:
        if candidate.sources["initial.py"] == "hang":
            release.wait(30)
        return seed

    executor = ThreadExecutor(task, evaluate, choose("none"), 1, grace=0.2)
    hung, fine = settle(executor, "hang", FINE, seed=5)
    assert (hung.status, fine.score) == ("judge_error", 5.0)
    assert "given up" in hung.error
    release.set()
    executor.close()


def test_close_cancels_and_wake_returns(tmp_path: Path) -> None:
    executor = ThreadExecutor(toy(tmp_path), lambda candidate: candidate.call("f"), choose("none"), 1)
    futures = [
        executor.submit(Job(str(n), {"initial.py": "import time\ndef f():\n    time.sleep(1)"}, 0)) for n in range(3)
    ]
    threading.Timer(0.2, executor.wake).start()
    before = time.monotonic()
    executor.pump(20.0)
    assert time.monotonic() - before < 10
    executor.close()
    executor.close()
    executor.pump(None)
    executor.wake()
    assert all(future.cancelled() for future in futures)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(Job("", {}, 0))
