import threading
import time
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from evolve.executor import ThreadExecutor
from evolve.jail import choose
from evolve.judge.candidate import Candidate, CandidateFailed
from evolve.records import Job
from tests.executor.test_local import children, gone
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
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(0)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(Job("", {}, 0))


def test_pump_keeps_its_time_where_nothing_was_submitted_yet(tmp_path: Path) -> None:
    executor = ThreadExecutor(toy(tmp_path), lambda candidate: candidate.call("f"), choose("none"), 1)
    before = time.monotonic()
    executor.pump(0.1)
    assert 0.09 < time.monotonic() - before < 1.5
    executor.close()


@pytest.mark.parametrize("level", ["none", "namespaces"])
def test_close_ends_the_call_that_a_candidate_is_at(tmp_path: Path, level: Literal["none", "namespaces"]) -> None:
    if level != choose(level if level == "none" else "auto").level:
        pytest.skip("this machine has no namespaces")
    ended: list[str] = []
    done = threading.Event()

    def evaluate(candidate: Candidate) -> float:
        try:
            candidate.call("f")
        except CandidateFailed as failure:
            ended.append(failure.status)
        done.set()
        return 1.0

    before = set(children())
    executor = ThreadExecutor(toy(tmp_path), evaluate, choose(level), 1)
    executor.submit(Job("", {"initial.py": "import time\ndef f():\n    time.sleep(15)"}, 0))
    executor.pump(1.0)
    begun = set(children()) - before
    assert begun
    executor.close()
    assert done.wait(5)
    assert ended == ["crash"]
    assert gone(begun)


def test_after_close_no_call_begins(tmp_path: Path) -> None:
    ended: list[str] = []
    done = threading.Event()

    def evaluate(candidate: Candidate) -> float:
        try:
            for _ in range(200):
                candidate.call("f")
        except CandidateFailed as failure:
            ended.append(failure.message)
        done.set()
        return 1.0

    executor = ThreadExecutor(toy(tmp_path), evaluate, choose("none"), 1)
    executor.submit(Job("", {"initial.py": "import time\ndef f():\n    time.sleep(0.1)"}, 0))
    executor.pump(0.5)
    executor.close()
    assert done.wait(10)
    assert len(ended) == 1


def test_a_thread_keeps_its_jail_warm_and_close_ends_it(tmp_path: Path) -> None:
    if choose().level == "none":
        pytest.skip("this machine has no level with warm jails")
    task = replace(toy(tmp_path), preload=("json",))
    executor = ThreadExecutor(task, lambda candidate: candidate.call("f"), choose(), 1)
    before = set(children())
    program = "import sys\ndef f():\n    return float('json' in sys.modules)"
    seen = settle(executor, program, program)
    assert [(s.status, s.score, s.fresh) for s in seen] == [("ok", 1.0, "fork")] * 2
    left = set(children()) - before
    assert left
    executor.close()
    assert gone(left)
    executor = ThreadExecutor(task, lambda candidate: candidate.call("f"), choose(), 1, fresh="process")
    assert settle(executor, FINE)[0].fresh == "process"
    executor.close()
