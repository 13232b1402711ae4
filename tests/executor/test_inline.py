import signal
import sys
import threading
import time

import pytest

from evolve.executor import InlineExecutor
from evolve.executor.here import Tail
from evolve.records import Job

CALL = 'def evaluate(candidate):\n    return candidate.call("f")\n'
FINE = "def f():\n    return 1.0"


@pytest.fixture
def inline(make_task):
    executors = []

    def make(evaluate=CALL, **changes):
        executors.append(InlineExecutor(make_task(evaluate, **changes)))
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()


def test_nothing_of_a_candidate_stays_behind(inline, settle):
    executor = inline()
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
    assert set(sys.modules) - modules <= {"evolve_evaluate"}
    assert sys.meta_path == finders
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert [folder for folder in sys.path if folder not in path and "test_nothing" not in folder] == []


def test_a_swallowed_alarm_rings_again(inline, settle):
    program = """
        def f():
            for _ in range(3):
                try:
                    while True: pass
                except BaseException: pass
            return 1.0
    """
    (seen,) = settle(inline(limits={"call_seconds": 0.1}), program)
    assert seen.status == "timeout"


def test_in_other_threads_lateness_is_noticed_afterwards(inline, settle):
    executor, seen = inline(limits={"call_seconds": 0.05}), []
    program = "import time\ndef f():\n    time.sleep(0.2)\n    return 1.0"
    thread = threading.Thread(target=lambda: seen.extend(settle(executor, program)))
    thread.start()
    thread.join(20)
    assert seen[0].status == "timeout"
    assert seen[0].seconds > 0.2


def test_jobs_wait_for_pump_and_close_cancels_them(inline):
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


def test_wake(inline):
    executor = inline()
    threading.Timer(0.1, executor.wake).start()
    before = time.monotonic()
    executor.pump(20.0)
    assert time.monotonic() - before < 10


def test_a_script_that_cannot_be_imported(inline, settle):
    (seen,) = settle(inline("print('oh')\nimport nothing_of_this_name"), FINE)
    assert (seen.status, seen.log) == ("judge_error", "oh\n")
    assert "ModuleNotFoundError" in seen.error


def test_tail_forgets():
    tail = Tail(10)
    for n in range(1000):
        print(n, end="", file=tail)
    assert tail.text() == "6997998999"
    assert tail.tell() <= 20
