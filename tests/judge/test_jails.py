"""The jails of one slot: what a jail's start may take, and what happens where a warm one is lost or cannot be had."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.jail import Inside, Zygote, choose
from evolve.judge import candidate, jails, score
from evolve.judge.jails import Jails
from evolve.records import Evaluation, Job, Task
from tests.executor.toy import FINE, LIMITS, toy

CRASHES = "import os\nos._exit(1)"


class Slot:
    """The jails of a slot and the way through them."""

    def __init__(self, task: Task, made: Jails) -> None:
        self.task, self.jails = task, made
        self.script = score.load(task)

    def judge(self, program: str, purpose: str = "child") -> Evaluation:
        open = self.jails.cold if purpose == "cold" else self.jails.open
        return score.judge(self.task, self.script, Job("a", {"initial.py": program}, 7), open)


@contextmanager
def slot(task: Task) -> Iterator[Slot]:
    confinement = choose()
    if confinement.level not in jails.WARM:
        pytest.skip("this machine has no warm jails")
    with closing(Jails(task, confinement, 0, "fork", Inside(preload=task.preload))) as made:
        yield Slot(task, made)


def test_imports_that_take_their_time_count_against_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jail after a crash is a new one, and the next candidate has to wait for its imports."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(1.0)\n")
    monkeypatch.setattr(jails, "RUNNER", (*jails.RUNNER[:2], slow, jails.RUNNER[2]))
    monkeypatch.setattr(candidate, "START", 0.3)
    task = toy(tmp_path, limits=replace(LIMITS, seconds=0.6))
    with slot(replace(task, preload=("json",))) as warm:
        seen = [warm.judge(program) for program in (FINE, CRASHES, FINE)]
    assert [one.status for one in seen] == ["ok", "crash", "ok"], [one.error for one in seen]


def test_a_warm_jail_that_was_killed_between_candidates_is_replaced(tmp_path: Path) -> None:
    with slot(toy(tmp_path)) as warm:
        assert warm.judge(FINE).status == "ok"
        first = warm.jails._zygote
        assert first is not None
        first.kill()
        assert warm.judge(FINE).status == "ok"
        assert warm.jails._zygote is not first


def test_a_new_warm_jail_that_cannot_be_had_does_not_cost_the_last_candidate_its_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the disk is full, or too many files are open."""

    def full(self: Zygote) -> None:
        raise OSError(28, "No space left on device")

    with slot(toy(tmp_path)) as warm:
        assert warm.judge(FINE).status == "ok"
        with monkeypatch.context() as patched:
            patched.setattr(Zygote, "start", full)
            assert warm.judge(CRASHES).status == "crash"
            assert "No space left" in warm.judge(FINE).error
        assert warm.judge(FINE).status == "ok"


def test_what_is_preloaded_is_there_before_a_cold_jails_first_call_too(tmp_path: Path) -> None:
    """Else a champion's cold review would be charged with imports that no warm jail counts, and might find it too slow."""
    program = "import sys\ndef f():\n    return float('numpy' in sys.modules) + float(hasattr(sys, 'shadowed'))"
    task = replace(toy(tmp_path, packages=("numpy",)), preload=("numpy", "nothing_of_this_name"))
    with slot(replace(task, preload=("numpy",))) as warm:
        assert [warm.judge(program, purpose).score for purpose in ("child", "cold")] == [1.0, 1.0]
    with slot(task) as broken:
        assert broken.judge(program, "cold").score == 1.0
        shadow = {"initial.py": program, "numpy.py": "import sys\nsys.shadowed = True"}
        assert score.judge(task, broken.script, Job("a", shadow, 7), broken.jails.cold).score == 1.0


REPEATS = """
import random
import numpy
first = random.random() + numpy.random.random()
order = list({str(number) for number in range(9)})
def f():
    return first + random.random() + numpy.random.random() + sum(place * int(name) for place, name in enumerate(order))
"""


def test_a_seed_repeats_itself_in_every_jail(tmp_path: Path) -> None:
    with slot(replace(toy(tmp_path, packages=("numpy",)), preload=("numpy",))) as warm:
        scores = [warm.judge(REPEATS).score for _ in range(2)]
        assert warm.judge(CRASHES).status == "crash"
        scores += [warm.judge(REPEATS, purpose).score for purpose in ("child", "cold", "cold")]
    assert len(set(scores)) == 1
