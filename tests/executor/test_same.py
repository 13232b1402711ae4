"""What every executor must make of the same candidate: they differ in speed and protection, not in the outcome."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Unpack

import pytest

from evolve.executor import InlineExecutor, LocalExecutor, ThreadExecutor
from evolve.jail import choose
from evolve.judge import score
from evolve.records import Evaluation, Sources, Task
from evolve.seams import Executor
from tests.executor.toy import LIMITS, Changes, settle, toy
from tests.readme import ROOT

CALL = """
    def evaluate(candidate, seed):
        print("judging")
        return candidate.call("f", 3)
"""
HARNESS = """\
import program
def double(x):
    print("in the harness")
    return 2 * program.f(x)
"""


def threads(task: Task) -> ThreadExecutor:
    """Return an executor whose function imports evaluate.py anew for each candidate."""
    return ThreadExecutor(task, lambda candidate, seed: score.load(task).evaluate(candidate, seed), choose("none"), 2)


EXECUTORS: dict[str, Callable[[Task], Executor]] = {
    "inline": InlineExecutor,
    "local": lambda task: LocalExecutor(task, choose("none"), 2),
    "namespaces": lambda task: LocalExecutor(task, choose("namespaces"), 2),
    "threads": threads,
}


class Execute:
    """Judges programs under an evaluate.py, by one kind of executor."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder

    def __call__(self, evaluate: str, *programs: str | Sources, **changes: Unpack[Changes]) -> list[Evaluation]:
        executor = EXECUTORS[self.kind](toy(self.folder, evaluate, **changes))
        try:
            return settle(executor, *programs, seed=7)
        finally:
            executor.close()


@pytest.fixture(params=EXECUTORS)
def execute(request: pytest.FixtureRequest, tmp_path: Path) -> Execute:
    return Execute(request.param, tmp_path)


def test_statuses_and_what_is_told_about_them(execute: Execute) -> None:
    cases = {
        "def f(x):\n    return x + 0.5": ("ok", ""),
        "import sys\ndef f(x):\n    sys.exit(3)": ("crash", "SystemExit: 3"),
        "def f(x):\n    return g(x)\ndef g(x):\n    return 1 / 0": (
            "crash",
            'File "initial.py", line 4, in g\n    return 1 / 0\nZeroDiv',
        ),
        "def f(x) return 1": ("crash", "SyntaxError"),
        "import nothing_of_this_name": ("crash", "No module named 'nothing_of_this_name'"),
        "def g(x):\n    pass": ("crash", "has no attribute 'f'"),
        "def f():\n    pass": ("crash", "TypeError: f() takes 0 positional"),
        "def f(x):\n    raise MemoryError": ("memory", "MemoryError"),
        "class OutOfMemoryError(RuntimeError): pass\ndef f(x):\n    raise OutOfMemoryError": (
            "gpu_memory",
            "OutOfMemory",
        ),
        "def f(x):\n    return f(x)": ("crash", "RecursionError"),
        "def f(x):\n    return {1, 2}": ("protocol", "f returned a value of type set"),
        "def f(x):\n    return [1.0, float('nan')]": ("protocol", "f returned nan, which is not finite, at [1]"),
        "def f(x):\n    return (y for y in [x])": ("protocol", "generator"),
        "class E(Exception):\n    def __str__(self): raise KeyError\ndef f(x):\n    raise E": ("crash", "E"),
        "def f(x):\n    raise ValueError('a' * 10**6)": ("crash", "ValueError: aaa"),
        "def f(x):\n    raise ValueError('\\ud800')": ("crash", "ValueError: "),
    }
    for (program, (status, text)), seen in zip(cases.items(), execute(CALL, *cases), strict=True):
        assert seen.status == status, (program, seen)
        assert text in seen.error, (program, seen.error)
        assert len(seen.error) < 10_000
        assert (seen.score == 3.5) if status == "ok" else (seen.score is None)
        assert str(ROOT) not in seen.error
        assert "runner" not in seen.error


def test_prints_are_kept_apart(execute: Execute) -> None:
    (seen,) = execute(CALL, "import sys\nprint('hello')\ndef f(x):\n    print('oh', file=sys.stderr)\n    return x")
    assert seen.status == "ok"
    assert "hello" in seen.output
    assert "oh" in seen.output
    assert "judging" not in seen.output
    assert execute.kind == "threads" or seen.log == "judging\n"


def test_prints_are_capped_at_their_tail(execute: Execute) -> None:
    (seen,) = execute(
        CALL,
        "def f(x):\n    print('a' * 10**6)\n    print('the end')\n    return x",
        limits=replace(LIMITS, output=2000),
    )
    assert seen.output.endswith("the end\n")
    assert len(seen.output) < 2100


def test_a_call_that_does_not_return(execute: Execute) -> None:
    loop = "def f(x):\n    print('begun', flush=True)\n    while True: pass"
    stubborn = "def f(x):\n    while True:\n        try:\n            while True: pass\n        except Exception: pass"
    for seen in execute(CALL, loop, stubborn, limits=replace(LIMITS, call_seconds=0.3)):
        assert (seen.status, seen.error) == ("timeout", "f took longer than 0.3 s")
        assert 0.25 < seen.seconds < 5
    assert "begun" in execute(CALL, loop, limits=replace(LIMITS, call_seconds=0.3))[0].output


def test_the_evaluation_has_a_deadline_of_its_own(execute: Execute) -> None:
    evaluate = """
        def evaluate(candidate):
            return sum(candidate.call("f", n) for n in range(1000))
    """
    (seen,) = execute(
        evaluate, "import time\ndef f(x):\n    time.sleep(0.1)\n    return x", limits=replace(LIMITS, seconds=0.5)
    )
    assert (seen.status, seen.error) == ("timeout", "the evaluation took longer than 0.5 s")
    assert seen.seconds < 5


def test_a_failed_call_can_be_caught_and_the_next_one_made(execute: Execute) -> None:
    evaluate = """
        from evolve import CandidateFailed
        def evaluate(candidate):
            failures = 0
            for n in range(4):
                try:
                    candidate.call("f", n)
                except CandidateFailed as failure:
                    assert failure.status == "crash" and "KeyError" in failure.message
                    failures += 1
            return failures
    """
    (seen,) = execute(evaluate, "def f(x):\n    if x % 2: raise KeyError(x)\n    return x")
    assert (seen.status, seen.score) == ("ok", 2.0)


def test_a_jail_that_is_gone_stays_gone(execute: Execute) -> None:
    evaluate = """
        from evolve import CandidateFailed
        def evaluate(candidate):
            seen = []
            for n in range(3):
                try:
                    candidate.call("f", n, timeout=0.2)
                except CandidateFailed as failure:
                    seen.append(failure.status)
            return {"score": 1.0, "feedback": ",".join(seen)}
    """
    (seen,) = execute(evaluate, "def f(x):\n    while x == 1: pass")
    assert seen.feedback == "timeout,timeout"


def test_packages_and_the_harness(execute: Execute) -> None:
    evaluate = """
        def evaluate(candidate):
            return candidate.call("harness:double", 2) + candidate.call("pkg.part:g") + candidate.call("f", 0)
    """
    program = {
        "main.py": "import pkg.part, other\ndef f(x):\n    return x + pkg.part.g() + other.N\n",
        "other.py": "import program\nN = 1\n",
        "pkg/__init__.py": "",
        "pkg/part.py": "from . import deep\nfrom .deep import K\ndef g():\n    return K\n",
        "pkg/deep.py": "K = 10\n",
    }
    (seen,) = execute(evaluate, program, harness=HARNESS, entry="main.py")
    assert (seen.error, seen.score) == ("", 2 * 13 + 10 + 11)
    assert "in the harness" in seen.output
    inside = {f"a/{path}": text for path, text in program.items()}
    inside["a/main.py"] = inside["a/main.py"].replace(
        "import pkg.part, other", "from .pkg import part\nfrom . import other, pkg"
    )
    inside["pkg/part.py"] = "def g():\n    return 10\n"
    (seen,) = execute(evaluate, inside, harness=HARNESS, entry="a/main.py")
    assert (seen.error, seen.score) == ("", 2 * 13 + 10 + 11)


def test_state_lasts_for_one_evaluation(execute: Execute) -> None:
    evaluate = """
        def evaluate(candidate):
            return [candidate.call("f") for _ in range(3)][-1]
    """
    count = "N = []\ndef f():\n    N.append(1)\n    return len(N)"
    assert [seen.score for seen in execute(evaluate, count, count)] == [3.0, 3.0]


def test_chance_is_seeded(execute: Execute) -> None:
    program = "import random\ndef f(x):\n    return random.random()"
    first, second = execute(CALL, program, program)
    assert first.status == "ok"
    assert first.score == second.score
    program = "import numpy\ndef f(x):\n    return numpy.random.rand()"
    first, second = execute(CALL, program, program, packages=("numpy",))
    assert first.status == "ok"
    assert first.score == second.score


def test_values_cross_in_both_directions(execute: Execute) -> None:
    evaluate = """
        def evaluate(candidate):
            value = [None, True, 2**70, 0.1, "é", b"\\0", (1, (2,)), {"a": {}}, float("inf")]
            back = candidate.call("f", *value, key=value)
            assert back == [[*value[:-1]], value[:-1]], back
            assert type(back[0][6]) is tuple
            return 1
    """
    (seen,) = execute(evaluate, "def f(*args, key):\n    return [list(args)[:-1], key[:-1]]")
    assert (seen.status, seen.error) == ("ok", "")


def test_arrays_and_shared_data(execute: Execute) -> None:
    evaluate = """
        import numpy as np
        def evaluate(candidate):
            data = candidate.share("data", np.arange(1000.0).reshape(10, 100))
            rows = candidate.call("rows", data)
            assert type(rows) is np.ndarray and rows.dtype == np.float32 and rows.shape == (10,)
            return {"score": float(rows.sum()), "again": candidate.call("again", data), "plain": candidate.call("plain")}
    """
    program = """
        def rows(data):
            return data.sum(axis=1).astype("float32")
        def again(data):
            try:
                data[0] = 1
            except ValueError:
                return float(data[0, 1])
        def plain():
            import sys
            return int("numpy" in sys.modules)
    """
    (seen,) = execute(evaluate, program, packages=("numpy",))
    assert (seen.status, seen.score, seen.metrics) == ("ok", 499500.0, {"again": 1.0, "plain": 1.0}), seen


def test_running_a_program(execute: Execute) -> None:
    evaluate = """
        from evolve import CandidateFailed
        def evaluate(candidate):
            done = candidate.run(["python", "initial.py", "a"], stdin=b"in")
            assert (done.code, done.stdout, done.stderr) == (3, b"in a", b"err"), done
            assert candidate.run(["python", "-c", "print(open('left').read())"]).stdout == b"here\\n"
            statuses = []
            for code in ("while True: pass", "while True: print('x' * 10000)", "import os; os.kill(os.getpid(), 9)"):
                try:
                    statuses.append(candidate.run(["python", "-c", code], timeout=1.0).code)
                except CandidateFailed as failure:
                    statuses.append(failure.status)
            try:
                candidate.run(["no-such-program"])
            except CandidateFailed as failure:
                statuses.append(failure.status)
            return {"score": 1, "feedback": repr(statuses)}
    """
    program = """
        import sys
        open("left", "w").write("here")
        sys.stdout.write(sys.stdin.read() + " " + sys.argv[1])
        sys.stderr.write("err")
        sys.exit(3)
    """
    (seen,) = execute(evaluate, program, limits=replace(LIMITS, reply=100_000))
    assert (seen.error, seen.feedback) == ("", "['timeout', 'protocol', -9, 'crash']")


def test_a_reply_over_the_limit(execute: Execute) -> None:
    for seen in execute(
        CALL,
        "def f(x):\n    return 'x' * 10**6",
        "def f(x):\n    return [[1]] * 10**5",
        limits=replace(LIMITS, reply=10_000),
    ):
        assert seen.status == "protocol"
        assert "larger than the limit" in seen.error


def test_not_a_number_where_the_task_allows_it(execute: Execute) -> None:
    evaluate = "def evaluate(candidate):\n    x = candidate.call('f')\n    return 1.0 if x != x else 0.0"
    (seen,) = execute(evaluate, "def f():\n    return float('nan')", allow_nonfinite=True)
    assert seen.score == 1.0


def test_what_evaluate_does_wrong_is_a_judge_error(execute: Execute) -> None:
    for body in (
        "1 / 0",
        "import sys; sys.exit(2)",
        "return 'high'",
    ):
        (seen,) = execute(f"def evaluate(candidate):\n    {body}\n", "")
        assert seen.status == "judge_error", (body, seen)
        assert seen.error
        assert execute.kind == "threads" or "1 / 0" not in body or "evaluate.py" in seen.error


def test_invalid_is_a_verdict(execute: Execute) -> None:
    evaluate = "from evolve import Invalid\ndef evaluate(candidate):\n    raise Invalid('circles 1 and 2 overlap')"
    (seen,) = execute(evaluate, "")
    assert (seen.status, seen.error, seen.score) == ("invalid", "circles 1 and 2 overlap", None)


def test_everything_of_a_result_arrives(execute: Execute) -> None:
    evaluate = """
        from evolve import Result
        def evaluate(candidate):
            text = candidate.sources["initial.py"]
            return Result(0.5, metrics={"length": len(text)}, feedback="fine", artifacts={"a.png": b"\\0", "note": text})
    """
    (seen,) = execute(evaluate, "x = 1")
    assert (seen.score, seen.metrics, seen.feedback) == (0.5, {"length": 5.0}, "fine")
    assert [(a.name, a.mime, a.data) for a in seen.artifacts] == [
        ("a.png", "image/png", b"\0"),
        ("note", "text/plain", b"x = 1"),
    ]


def test_a_key_that_a_judge_repeats_is_kept_nowhere(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SERVICE_API_KEY", key := "sk-of-a-test-0123456789")
    judge = f"""
        from evolve import Invalid, Result
        def evaluate(candidate):
            if candidate.call("f", 0) > 1:
                raise Invalid("401: wrong key {key}")
            print("asked with {key}")
            kept = {{"a.txt": "{key} here", "b.png": b"\\xff\\xfe"}}
            return Result(1.0, feedback="401: wrong key {key}", artifacts=kept)
    """
    fine, invalid = execute(judge, "def f(x):\n    return 1", "def f(x):\n    return 2")
    assert (fine.feedback, invalid.error) == ("401: wrong key ***", "401: wrong key ***")
    assert execute.kind == "threads" or fine.log == "asked with ***\n"
    assert [artifact.data for artifact in fine.artifacts] == [b"*** here", b"\xff\xfe"]


def test_a_candidate_cannot_tell_on_which_seed_it_is_judged(execute: Execute) -> None:
    program = "import random\ndef f(x):\n    return random.random()"
    (seen,) = execute(CALL, program)
    assert seen.score not in [Random(seed).random() for seed in range(10_000)], "the seed was 7"
    assert execute(CALL, program)[0].score == seen.score


def test_what_a_terminal_would_obey_is_told_instead(execute: Execute) -> None:
    program = """
        def f(x):
            print("\\x1b]0;title\\x07red\\x1b[2J\\x9b1m")
            raise ValueError("\\x1b[2J\\x1b[Hscore\\t1e9")
    """
    (seen,) = execute(CALL, program)
    assert seen.error.endswith(r"ValueError: \x1b[2J\x1b[Hscore" + "\t1e9")
    assert seen.output == r"\x1b]0;title\x07red\x1b[2J\x9b1m" + "\n" or execute.kind == "inline"
