"""The judge processes themselves: queueing, dying, hanging, being told to stop; and candidates that attack the wire."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Unpack

import pytest

from evolve.executor import LocalExecutor, evaluate_once
from evolve.executor.slot import environment
from evolve.jail import choose
from evolve.records import Job
from tests.executor.toy import CALL, FINE, LIMITS, Changes, settle, toy


def children(pid: int | None = None) -> list[int]:
    """All living descendants of a process."""
    found: list[int] = []
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(entry.name)] = int(parent)
    wanted = [pid or os.getpid()]
    while wanted:
        wanted = [child for child, parent in parents.items() if parent in wanted]
        found += wanted
    return found


def gone(pids: Collection[int], within: float = 5.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not [pid for pid in pids if Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in status(pid)]:
            return True
        time.sleep(0.02)
    return False


def status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "\nState:\tZ"


class Local(Protocol):
    def __call__(
        self, evaluate: str, slots: int = 1, *, grace: float = 5.0, **changes: Unpack[Changes]
    ) -> LocalExecutor: ...


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """Make executors that are closed at the end, and leave no process."""
    made: list[LocalExecutor] = []

    def make(evaluate: str, slots: int = 1, *, grace: float = 5.0, **changes: Unpack[Changes]) -> LocalExecutor:
        made.append(LocalExecutor(toy(tmp_path, evaluate, **changes), choose("none"), slots, grace=grace))
        return made[-1]

    before = set(children())
    yield make
    for executor in made:
        executor.close()
        executor.close()
    assert gone(set(children()) - before)


WRITE = """
    import os, sys
    caller = sys._getframe()
    while "sink" not in caller.f_locals:
        caller = caller.f_back
    out = caller.f_locals["sink"]
    def frame(data):
        os.write(out, len(data).to_bytes(8, "little") + data)
"""
ATTACKS = {
    "exits": ("import os\ndef f(): os._exit(0)", "crash"),
    "kills itself": ("import os\ndef f(): os.kill(os.getpid(), 9)", "crash"),
    "answers before it is asked": (WRITE + "\n    frame(b'0')\n    def f(): return 1.0", "protocol"),
    "answers twice": (WRITE + "\n    def f():\n        frame(b'0')\n        return 1.0", "protocol"),
    "answers garbage": (WRITE + "\n    def f():\n        frame(b'\\xff' * 100)\n        os._exit(0)", "protocol"),
    "answers without end": (
        WRITE + "\n    def f():\n        os.write(out, b'\\xff' * 8)\n        os._exit(0)",
        "protocol",
    ),
    "answers to another request": (
        WRITE
        + """
    def f():
        wire = sys._getframe(2).f_locals["self"].wire
        frame(wire.encode({"id": bytes(16), "value": 1e9}))
        os._exit(0)
    """,
        "protocol",
    ),
    "answers with more than a value": (
        WRITE
        + """
    def f():
        frames = sys._getframe(2).f_locals
        frame(frames["self"].wire.encode({"id": frames["request"]["id"], "value": 1.0, "score": 1e9}))
        os._exit(0)
    """,
        "protocol",
    ),
    "claims a status that is not its to claim": (
        WRITE
        + """
    def f():
        frames = sys._getframe(2).f_locals
        frame(frames["self"].wire.encode({"id": frames["request"]["id"], "status": "judge_error", "error": "x"}))
        os._exit(0)
    """,
        "protocol",
    ),
    "answers with infinity": (
        WRITE
        + """
    def f():
        frames = sys._getframe(2).f_locals
        frame(frames["self"].wire.encode({"id": frames["request"]["id"], "value": float("inf")}, nonfinite=True))
        os._exit(0)
    """,
        "protocol",
    ),
    "floods its output": (
        "import os\ndef f():\n    for _ in range(2000): os.write(1, b'x' * 65536)\n    return 1.0",
        "ok",
    ),
    "closes its output": ("import sys\ndef f():\n    sys.stdout.close()\n    return 1.0", "crash"),
    "leaves a thread and a daemon": (
        """
    import os, threading, time
    def f():
        threading.Thread(target=time.sleep, args=(60,)).start()
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        return 1.0
    """,
        "ok",
    ),
}


def test_attacks_on_the_wire(local: Local) -> None:
    executor = local(CALL, slots=2)
    seen = settle(executor, *(program for program, _ in ATTACKS.values()))
    assert {name: s.status for name, s in zip(ATTACKS, seen, strict=True)} == {
        n: status for n, (_, status) in ATTACKS.items()
    }
    assert all(s.score == 1.0 for s in seen if s.status == "ok")


def test_jobs_queue_and_use_every_slot(local: Local) -> None:
    evaluate = """
        import os, time
        def evaluate(candidate, seed):
            time.sleep(0.05)
            return os.getpid()
    """
    executor = local(evaluate, slots=2)
    seen = settle(executor, *[FINE] * 8)
    assert executor.slots == 2
    assert len({s.score for s in seen}) == 2
    assert {s.log for s in seen} == {""}


def test_evaluate_is_imported_once_per_judge(local: Local) -> None:
    evaluate = """
        print("importing")
        count = 0
        def evaluate(candidate):
            global count
            count += 1
            return count
    """
    seen = settle(local(evaluate), FINE, FINE, FINE)
    assert [(s.score, s.log) for s in seen] == [(1.0, "importing\n"), (2.0, ""), (3.0, "")]


@pytest.mark.parametrize("how", ["os._exit(3)", "os.kill(os.getpid(), 11)", "raise KeyError('no')"])
def test_a_judge_that_fails_is_replaced_and_its_job_tried_again(local: Local, tmp_path: Path, how: str) -> None:
    evaluate = f"""
        import os
        def evaluate(candidate):
            print("dying")
            tries = os.open({str(tmp_path / "tries")!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(tries, b"x")
            if candidate.sources["initial.py"] == "bad" or os.fstat(tries).st_size == 2:
                {how}
            return os.fstat(tries).st_size
    """
    fine, second = settle(local(evaluate), FINE, FINE)
    assert (fine.status, fine.score, second.status, second.score) == ("ok", 1.0, "ok", 3.0)
    (bad,) = settle(local(evaluate), "bad")
    assert bad.status == "judge_error"
    assert "dying" in bad.log
    assert (tmp_path / "tries").stat().st_size == 6
    assert any(word in bad.error for word in ("exit code 3", "SIGSEGV", "KeyError: 'no'"))
    assert "evaluate.py" in bad.error or "KeyError" not in how


def test_a_judge_that_cannot_be_started_is_tried_again_and_then_told(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where there are too many processes or open files for a while."""
    executor = local(CALL)
    executable = sys.executable
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    (seen,) = settle(executor, FINE)
    assert seen.status == "judge_error"
    assert "/nowhere/python" in seen.error
    future = executor.submit(Job("", {"initial.py": FINE}, 0))
    assert not future.done()
    monkeypatch.setattr(sys, "executable", executable)
    while not future.done():
        executor.pump(5.0)
    assert future.result().score == 1.0


@pytest.mark.parametrize(
    ("evaluate", "says"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("x = 1", "has no function evaluate"),
        ("import os; os._exit(4)", "exit code 4"),
        ("def evaluate(:", "SyntaxError"),
    ],
)
def test_a_script_that_cannot_be_imported(local: Local, evaluate: str, says: str) -> None:
    (seen,) = settle(local(evaluate), FINE)
    assert seen.status == "judge_error"
    assert says in seen.error


def test_an_evaluate_that_hangs_is_killed_and_is_no_fault_of_the_candidate(local: Local) -> None:
    evaluate = "import time\ndef evaluate(candidate):\n    print('asleep', flush=True)\n    time.sleep(60)\n"
    before = time.monotonic()
    (seen,) = settle(local(evaluate, limits=replace(LIMITS, seconds=0.2), grace=0.2), FINE)
    assert time.monotonic() - before < 15
    assert seen.status == "judge_error"
    assert "did not come to an end" in seen.error
    assert seen.log == "asleep\n"


def test_a_judge_that_is_stuck_in_a_call_means_timeout(local: Local) -> None:
    """Which takes a judge that cannot keep its own deadline: here it is stopped by a signal while the candidate is at work."""
    evaluate = 'import os\ndef evaluate(candidate):\n    return candidate.call("g", os.getpid())\n'
    program = "import os, signal, time\ndef g(judge):\n    os.kill(judge, signal.SIGSTOP)\n    time.sleep(60)"
    (seen,) = settle(local(evaluate, limits=replace(LIMITS, seconds=0.5), grace=0.3), program)
    assert seen.status == "timeout"


def test_what_the_judge_prints_is_capped(local: Local) -> None:
    evaluate = (
        "import os\ndef evaluate(candidate):\n    print('x' * 100_000)\n    os.write(2, b'the end')\n    return 1\n"
    )
    first, second = settle(local(evaluate, limits=replace(LIMITS, output=1000)), FINE, FINE)
    assert first.log == second.log == "x" * 992 + "\nthe end"


def test_the_judge_has_the_users_environment_without_keys_and_the_candidate_has_not(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WISH_OF_THE_USER", "1")
    monkeypatch.setenv("KEY_OF_THE_USER", "2")
    evaluate = """
        import os
        def evaluate(candidate):
            assert "KEY_OF_THE_USER" not in os.environ
            return int(os.environ["WISH_OF_THE_USER"]) + candidate.call("f")
    """
    (seen,) = settle(
        local(textwrap.dedent(evaluate)), "import os\ndef f():\n    return 'WISH_OF_THE_USER' in os.environ"
    )
    assert seen.score == 1.0


def test_close_ends_everything_at_once(local: Local) -> None:
    evaluate = """
        import subprocess, sys, time
        def evaluate(candidate):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            if candidate.sources["initial.py"] == "wait":
                time.sleep(60)
            return candidate.call("f")
    """
    executor = local(evaluate, slots=2)
    programs = ["wait", "import os, time\ndef f():\n    os.fork()\n    time.sleep(60)", FINE]
    futures = [executor.submit(Job(str(n), {"initial.py": program}, 0)) for n, program in enumerate(programs)]
    executor.pump(1.0)
    begun = children()
    assert len(begun) >= 5
    before = time.monotonic()
    executor.close()
    assert time.monotonic() - before < 5
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(0)
    assert gone(begun)
    executor.pump(None)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(Job("", {}, 0))


def test_cancelled_jobs_are_not_judged(local: Local) -> None:
    executor = local("def evaluate(candidate):\n    return 1\n")
    first, second, third = (executor.submit(Job(str(n), {"initial.py": ""}, 0)) for n in range(3))
    assert not first.cancel(), "it has begun"
    assert second.cancel()
    while not third.done():
        executor.pump(1.0)
    assert first.result().score == third.result().score == 1.0


def test_wake_from_a_thread_and_from_a_signal(local: Local) -> None:
    executor = local(CALL)
    threading.Timer(0.2, executor.wake).start()
    before = time.monotonic()
    executor.pump(20.0)
    assert time.monotonic() - before < 10
    previous = signal.signal(signal.SIGALRM, lambda number, frame: executor.wake())
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    executor.pump(20.0)
    signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - before < 15
    executor.close()
    executor.wake()


def test_pump_keeps_its_time(local: Local) -> None:
    executor = local("import time\ndef evaluate(candidate):\n    time.sleep(2)\n    return 1\n")
    executor.submit(Job("", {}, 0))
    before = time.monotonic()
    executor.pump(0.1)
    assert 0.09 < time.monotonic() - before < 1.5


def test_no_judge_outlives_its_driver(tmp_path: Path) -> None:
    script = f"""
        import sys
        from pathlib import Path
        sys.path[:0] = [{str(Path(__file__).parents[2])!r}]
        from evolve.executor import LocalExecutor
        from evolve.jail import choose
        from evolve.records import Job
        from tests.executor.toy import toy
        executor = LocalExecutor(toy(Path({str(tmp_path)!r})), choose("none"), 2)
        for n in range(2):
            executor.submit(Job(str(n), {{"initial.py": "import time\\ndef f():\\n    time.sleep(60)"}}, 0))
        executor.pump(1.5)
        print("running", flush=True)
        executor.pump(60.0)
    """
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, env=environment()
    )
    with driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"running\n"
        begun = children(driver.pid)
        assert len(begun) >= 4
        driver.kill()
    assert gone(begun)


def test_judging_one_program(tmp_path: Path) -> None:
    seen = evaluate_once(toy(tmp_path), {"initial.py": FINE}, 0, choose("none"))
    assert (seen.status, seen.score, seen.isolation, seen.integrity) == ("ok", 1.0, "none", "same-process")


def test_importing_the_judge_is_light() -> None:
    heavy = {"numpy", "pydantic", "click", "rich", "sqlite3", "asyncio", "mimetypes"}
    code = f"import sys, evolve.judge.process; print(*{heavy} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment()).stdout == b"\n"
    )


def test_a_missing_package_is_told_without_a_traceback(local: Local) -> None:
    (seen,) = settle(local(CALL, packages=("no-such-package-at-all",)), FINE)
    assert seen.status == "judge_error"
    assert "no-such-package-at-all" in seen.error
    assert "Traceback" not in seen.error
