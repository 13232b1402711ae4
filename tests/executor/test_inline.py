import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from evolve.executor import InlineExecutor
from evolve.executor.here import Tail
from evolve.records import Evaluation, Job, Limits
from tests.executor.toy import CALL, FINE, LIMITS, settle, toy


class Inline(Protocol):
    def __call__(self, evaluate: str = CALL, limits: Limits = LIMITS) -> InlineExecutor: ...


@pytest.fixture
def inline(tmp_path: Path) -> Iterator[Inline]:
    """Make executors that are closed at the end."""
    executors: list[InlineExecutor] = []

    def make(evaluate: str = CALL, limits: Limits = LIMITS) -> InlineExecutor:
        executors.append(InlineExecutor(toy(tmp_path, evaluate, limits=limits)))
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()


def test_nothing_of_a_candidate_stays_behind(inline: Inline) -> None:
    executor = inline()
    settle(executor, FINE)  # what judging itself imports, once and for all
    modules, path, finders = set(sys.modules), list(sys.path), list(sys.meta_path)
    handler = signal.getsignal(signal.SIGALRM)
    programs = {
        "initial.py": "import json, helper\ndef f():\n    return helper.N",
        "helper.py": "N = 2",
        "json.py": "N = 1",
    }
    (seen,) = settle(executor, programs)
    assert seen.score == 2.0
    import json

    assert json.dumps([]) == "[]"
    assert set(sys.modules) == modules
    assert sys.meta_path == finders
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert [folder for folder in sys.path if folder not in path and "test_nothing" not in folder] == []


def test_a_swallowed_alarm_rings_again(inline: Inline) -> None:
    program = """
        def f():
            for _ in range(3):
                try:
                    while True: pass
                except BaseException: pass
            return 1.0
    """
    (seen,) = settle(inline(limits=replace(LIMITS, call_seconds=0.1)), program)
    assert seen.status == "timeout"


def test_in_other_threads_lateness_is_noticed_afterwards(inline: Inline) -> None:
    executor = inline(limits=replace(LIMITS, call_seconds=0.05))
    seen: list[Evaluation] = []
    program = "import time\ndef f():\n    time.sleep(0.2)\n    return 1.0"
    thread = threading.Thread(target=lambda: seen.extend(settle(executor, program)))
    thread.start()
    thread.join(20)
    assert seen[0].status == "timeout"
    assert seen[0].seconds > 0.2


def test_jobs_wait_for_pump_and_close_cancels_them(inline: Inline) -> None:
    executor = inline()
    first, second = (executor.submit(Job(str(n), {"initial.py": FINE}, 0)) for n in range(2))
    assert not first.done()
    executor.pump(None)
    assert first.result().score == 1.0
    executor.close()
    assert second.cancelled()
    executor.pump(None)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(Job("", {}, 0))


def test_wake(inline: Inline) -> None:
    executor = inline()
    threading.Timer(0.1, executor.wake).start()
    before = time.monotonic()
    executor.pump(20.0)
    assert time.monotonic() - before < 10


def test_a_script_that_cannot_be_imported(inline: Inline) -> None:
    (seen,) = settle(inline("print('oh')\nimport nothing_of_this_name"), FINE)
    assert (seen.status, seen.log) == ("judge_error", "oh\n")
    assert "ModuleNotFoundError" in seen.error


def test_tail_forgets() -> None:
    tail = Tail(10)
    for n in range(1000):
        print(n, end="", file=tail)
    assert tail.text() == "6997998999"
    assert tail.tell() <= 20
