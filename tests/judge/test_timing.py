"""Timing: the judge's clock, processes that know nothing of each other, and honest noise."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.errors import TaskError
from evolve.executor import InlineExecutor, LocalExecutor, ThreadExecutor
from evolve.executor.here import Here
from evolve.jail import Usage, choose
from evolve.judge import Candidate, CandidateFailed, score
from evolve.judge.timing import NOISY, Clocked, Timing, interleaved, interval
from evolve.judge.wire import WireError
from evolve.records import Evaluation, Sources, Task
from evolve.seams import Executor
from tests import archives
from tests.executor.toy import LIMITS, settle, toy

EVALUATE = """
    def evaluate(candidate, seed):
        candidate.call("solve", [3, 1, 2])
        timing = candidate.time("solve", [3, 1, 2], warmup=([1],), repeats=5)
        assert timing.values == ([1, 2, 3],) * 5 == timing.reference_values, timing.values
        assert len(timing.seconds) == 5 and timing.transport < 0.02
        return {"score": timing.ratio, "noise": timing.noise, "feedback": timing.feedback()}
"""
FORKED = EVALUATE.replace('candidate.call("solve", [3, 1, 2])', "pass")
"""Without a call before it, so that no jail is open and each process is forked from the warm one."""
HARNESS = "import time\ndef reference(x):\n    time.sleep(0.04)\n    return sorted(x)\n"
SLEEPS = "import time\ndef solve(x):\n    time.sleep({})\n    return sorted(x)\n"


def threads(task: Task) -> ThreadExecutor:
    return ThreadExecutor(task, score.load(task).evaluate, choose(), 1)


EXECUTORS: dict[str, Callable[[Task], Executor]] = {
    "local": lambda task: LocalExecutor(task, choose(), 1),
    "threads": threads,
    "inline": InlineExecutor,
}


def judged(
    folder: Path, program: str, kind: str = "local", evaluate: str = EVALUATE, harness: str = HARNESS
) -> Evaluation:
    executor = EXECUTORS[kind](toy(folder, evaluate, harness=harness))
    try:
        return settle(executor, program)[0]
    finally:
        executor.close()


@pytest.mark.parametrize("kind", EXECUTORS)
def test_twice_as_fast_is_a_ratio_of_two(kind: str, tmp_path: Path) -> None:
    seen = judged(tmp_path, SLEEPS.format(0.02), kind)
    assert seen.status == "ok", seen.error
    assert seen.score == pytest.approx(2, rel=0.25)
    assert "times as fast as the reference" in seen.feedback
    assert "noise" in seen.feedback
    assert seen.metrics["noise"] >= 0


MEMOISING = """
import os, sys, time
known = {}
def solve(x):
    key = str(x)
    for place in ("/tmp/known", "/dev/shm/known", "known"):
        try:
            known.update(dict.fromkeys(open(place).read().splitlines(), True))
        except OSError:
            pass
    if key not in known:
        time.sleep(0.04)
        known[key] = True
        for place in ("/tmp/known", "/dev/shm/known", "known"):
            try:
                open(place, "a").write(key + "\\n")
            except OSError:
                pass
    return sorted(x)
"""
PATCHING = """
import time
sleep, now = time.sleep, time.perf_counter_ns()
for name in ("time", "monotonic", "perf_counter"):
    setattr(time, name, lambda: 0.0)
    setattr(time, name + "_ns", lambda: now)
def solve(x):
    sleep(0.08)
    return sorted(x)
"""
AHEAD = """
import threading, time
answers = {}
def work():
    for first in range(10):
        time.sleep(0.004)
        answers[str([first])] = [first]
threading.Thread(target=work, daemon=True).start()
def solve(x):
    while True:
        if str(x) in answers:
            return answers[str(x)]
        time.sleep(0.04)
        answers[str(x)] = sorted(x)
"""


@pytest.mark.parametrize(
    ("program", "ratio", "evaluate"),
    [(MEMOISING, 1.0, EVALUATE), (MEMOISING, 1.0, FORKED), (PATCHING, 0.5, FORKED), (AHEAD, 1.0, FORKED)],
)
def test_what_gains_nothing(program: str, ratio: float, evaluate: str, tmp_path: Path) -> None:
    """Remembering in memory and files, patching every clock, and working ahead in a thread while being warmed up."""
    if choose().integrity != "isolated":
        pytest.skip("files can be left to the next repeat here")
    seen = judged(tmp_path, program, evaluate=evaluate)
    assert seen.status == "ok", seen.error
    assert seen.score == pytest.approx(ratio, rel=0.25)
    assert seen.fresh == ("fork" if evaluate == FORKED else "process")


def test_each_repeat_has_processes_that_saw_nothing(tmp_path: Path) -> None:
    """The reference's holds neither the candidate's files nor its modules; the candidate's has had the warm-up alone."""
    harness = """
import os, program
def reference(x):
    assert not hasattr(program, "solve") and "solve" not in open(program.__file__).read()
    assert "other.py" not in os.listdir(os.path.dirname(program.__file__))
    return sorted(x)
"""
    program = """
seen = []
def solve(x):
    seen.append(x)
    assert seen in ([[1]], [[1], [3, 1, 2]], [[3, 1, 2]]), seen
    return sorted(x)
"""
    executor = EXECUTORS["local"](toy(tmp_path, EVALUATE, harness=harness))
    try:
        (seen,) = settle(executor, {"initial.py": program, "other.py": ""})
    finally:
        executor.close()
    assert seen.status == "ok", seen.error


def test_what_the_processes_used_is_the_candidates(tmp_path: Path) -> None:
    harness = "def reference(x):\n    print('from the reference')\n    return sorted(x)\n"
    program = """
import time
print("imported")
def solve(x):
    end = time.process_time() + 0.03
    while time.process_time() < end:
        pass
    return sorted(x)
"""
    seen = judged(tmp_path, program, harness=harness)
    assert seen.output.count("imported") == 6  # the call, and one for each repeat
    assert "reference" not in seen.output
    assert seen.cpu_seconds is not None
    assert seen.cpu_seconds > 11 * 0.03
    assert seen.memory is not None
    assert seen.memory < LIMITS.memory


@pytest.mark.parametrize(
    ("program", "harness", "status", "says"),
    [
        ("def solve(x):\n    if len(x) > 1: 1 / 0\n    return x", HARNESS, "crash", "ZeroDivisionError"),
        ("import nothing_at_all", HARNESS, "crash", "nothing_at_all"),
        ("import time\ntime.sleep(9)", HARNESS, "timeout", "importing initial.py took longer than 0.3 s"),
        (SLEEPS.format(0), "import time\ndef reference(x):\n    time.sleep(9)", "judge_error", "reference took longer"),
        (SLEEPS.format(0), "def other(x):\n    pass", "judge_error", "harness:reference gave no result"),
        (SLEEPS.format(0), "from program import solve as reference", "judge_error", "cannot import name 'solve'"),
    ],
)
def test_who_is_to_blame(program: str, harness: str, status: str, says: str, tmp_path: Path) -> None:
    evaluate = """
        def evaluate(candidate):
            return candidate.time("solve", [2, 1], warmup=([1],), repeats=3, timeout=0.3).ratio
    """
    seen = judged(tmp_path, program, "inline", evaluate, harness)
    assert seen.status == status
    assert says in seen.error


class Counted(Here):
    """A channel in this process; all that were opened are listed, and those that are open."""

    made: list["Counted"]
    open: set["Counted"]

    def start(self) -> None:
        self.open.add(self)

    def close(self) -> Usage:
        self.open.discard(self)
        return super().close()


def counted(program: str, harness: str = HARNESS, seconds: float = 20.0) -> tuple[Candidate, type[Counted]]:
    kind: type[Counted] = type("Kind", (Counted,), {"made": [], "open": set()})
    limits = replace(LIMITS, seconds=seconds)
    task = replace(archives.task("toy"), entry="initial.py", harness=harness, limits=limits)

    def opened(sources: Sources) -> Counted:
        kind.made.append(kind(task, sources))
        return kind.made[-1]

    return Candidate(task, {"initial.py": program}, 0, opened), kind


def test_every_channel_is_closed_whatever_happens() -> None:
    candidate, kind = counted(SLEEPS.format(0))
    assert candidate.time("solve", [2, 1], warmup=([1],), repeats=4).value == [1, 2]
    assert len(kind.made) == 1 + 2 * 4
    assert not kind.open
    for program, harness, error in (
        ("def solve(x): return 1 / (len(x) - 2)", HARNESS, CandidateFailed),
        (SLEEPS.format(0), "def reference(x): return 1 / (len(x) - 2)", TaskError),
    ):
        candidate, kind = counted(program, harness)
        with pytest.raises(error, match="division by zero"):
            candidate.time("solve", [2, 1], warmup=([1],))
        assert not kind.open


def test_the_evaluations_limit_holds_for_all_of_it() -> None:
    candidate, kind = counted(SLEEPS.format(0.03), seconds=0.4)
    begin = time.monotonic()
    with pytest.raises(CandidateFailed, match=r"timeout: the evaluation took longer than 0\.4 s"):
        candidate.time("solve", [1], repeats=100)
    assert time.monotonic() - begin < 2
    assert not kind.open


def test_what_an_author_may_not_ask_for() -> None:
    candidate, _ = counted(SLEEPS.format(0))
    with pytest.raises(ValueError, match="the warm-up of solve has the timed arguments"):
        candidate.time("solve", [2, 1], warmup=([2, 1],))
    with pytest.raises(ValueError, match="3 repeats or more"):
        candidate.time("solve", [2, 1], repeats=2)
    with pytest.raises(WireError, match="handle"):
        candidate.time("solve", candidate.share("x", [2, 1]))
    with pytest.raises(WireError, match="plain data"):
        candidate.time("solve", {1, 2})


def test_figures() -> None:
    own = (0.001, 0.002, 0.001, 0.004, 0.001)
    timing = Timing(own, (0.002,) * 5, tuple("abcde"), tuple("vwxyz"), 2e-5)
    assert timing.ratios == (2.0, 1.0, 2.0, 0.5, 2.0)
    assert (timing.ratio, timing.noise, timing.stable, timing.value) == (2.0, 0.375, False, "e")
    assert timing.feedback() == (
        "2 times as fast as the reference (1 ms against 2 ms, 5 repeats); noise 37.5%, transport 20 µs; "
        "too noisy to tell small differences"
    )
    quiet = Timing((0.5,) * 9, (1.0,) * 9, (0,) * 9, (0,) * 9, 0.0)
    assert quiet.stable
    assert quiet.noise == 0 < NOISY
    assert "noisy" not in quiet.feedback()


def test_turns_alternate() -> None:
    turns: list[str] = []

    def clocked(name: str) -> Clocked:
        turns.append(name)
        return Clocked(name, 1.0, 0.5)

    timing = interleaved(lambda: clocked("a"), lambda: clocked("b"), 3)
    assert "".join(turns) == "abbaab"
    assert timing.values == ("a",) * 3
    assert timing.transport == 0.5


@pytest.mark.parametrize(
    ("count", "rank"), [(3, 1), (5, 1), (6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (100, 40)]
)
def test_ranks_of_the_interval(count: int, rank: int) -> None:
    """As tables of the sign test's interval have them."""
    values = [float(value) for value in range(1, count + 1)]
    assert interval(values[::-1]) == (rank, count + 1 - rank)


@given(st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=40))
def test_the_interval_holds_the_median_and_is_symmetric(values: list[float]) -> None:
    low, high = interval(values)
    ordered = sorted(values)
    assert low <= ordered[(len(values) - 1) // 2] <= ordered[len(values) // 2] <= high
    assert interval([-value for value in values]) == (-high, -low)


def test_a_task_without_a_harness_is_told_where_to_put_it() -> None:
    task = archives.task()
    candidate = Candidate(task, {task.entry: ""}, 0, lambda sources: Here(task, sources))
    with pytest.raises(TaskError, match=r"harness\.py beside evaluate\.py"):
        candidate.time("solve", 1)
