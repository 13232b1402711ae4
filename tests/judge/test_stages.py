import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import inf, nan
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from bench.racing import CANDIDATES, MEANS, SEEDS, surely
from evolve.executor import LocalExecutor
from evolve.executor.here import Here
from evolve.jail import Usage, choose
from evolve.judge.candidate import Candidate, Invalid
from evolve.judge.score import Script, judge
from evolve.records import Direction, Evaluation, Job, Limits, Metric, Result, Sources, Task
from tests import archives
from tests.executor.toy import toy as jailed_toy
from tests.waiting import answers

PROGRAM = {
    "program.py": "calls = []\ndef f(value=1.0):\n    calls.append(1)\n    print('call', value)\n    return value\n"
}
CRASH = {"program.py": "def f(value=1.0):\n    return 1 / 0\n"}


def toy(direction: Direction = "maximize", bounds: tuple[float | None, float | None] = (None, None)) -> Task:
    return replace(archives.task("toy", direction), score=Metric("score", direction, bounds=bounds))


@dataclass
class Channels:
    """Opens channels in this process; each reports memory and CPU time of its own, and none may be open beside another."""

    task: Task
    opened: int = 0
    open_now: int = 0

    def open(self, sources: Sources) -> "Counted":
        self.opened += 1
        self.open_now += 1
        assert self.open_now == 1
        return Counted(self.task, sources, self)


class Counted(Here):
    """A channel that says when it is closed."""

    def __init__(self, task: Task, sources: Sources, channels: Channels) -> None:
        super().__init__(task, sources)
        self.channels = channels

    def close(self) -> Usage:
        self.channels.open_now -= 1
        return replace(super().close(), cpu_seconds=0.5, memory=100 * self.channels.opened)


def call(candidate: Candidate, seed: int) -> Any:
    return candidate.call("f", float(seed))


@dataclass
class Recorded:
    """A script whose functions note that they were called. What is returned is given by the test."""

    screens: Any = None
    validates: Any = None
    asked: list[str] = field(default_factory=list)

    def script(self) -> Script:
        return Script(self.evaluate, self.screen, self.validate)

    def evaluate(self, candidate: Candidate, seed: int) -> Any:
        self.asked.append(f"evaluate {seed}")
        return candidate.call("f", float(seed))

    def screen(self, candidate: Candidate) -> Any:
        self.asked.append("screen")
        candidate.call("f")
        if isinstance(self.screens, Exception):
            raise self.screens
        return self.screens

    def validate(self, candidate: Candidate) -> Any:
        self.asked.append("validate")
        candidate.call("f")
        return self.validates


def judged(job: Job, script: Script, task: Task | None = None) -> Evaluation:
    task = task or toy()
    channels = Channels(task)
    try:
        return judge(task, script, job, channels.open)
    finally:
        assert channels.open_now == 0


def job(seed: int = 3, sources: Sources = PROGRAM, **changes: Any) -> Job:
    return replace(Job("job", sources, seed), **changes)


@pytest.mark.parametrize("purpose", ["seed", "child", "tune", "check"])
def test_a_screen_comes_first_and_what_passes_is_evaluated(purpose: Any) -> None:
    script = Recorded(screens=0.25)
    seen = judged(job(purpose=purpose, bar=0.25), script.script())
    assert script.asked == ["screen", "evaluate 3"]
    assert (seen.status, seen.stage, seen.screen, seen.score, seen.repeats) == ("ok", "evaluate", 0.25, 3.0, ())
    assert seen.output.split() == ["call", "1.0", "call", "3.0"]
    assert (seen.cpu_seconds, seen.memory) == (1.0, 200)


@pytest.mark.parametrize(
    ("direction", "screen", "bar", "passes"),
    [
        ("maximize", 0.2, 0.3, False),
        ("maximize", 0.4, 0.3, True),
        ("minimize", 0.2, 0.3, True),
        ("minimize", 0.4, 0.3, False),
        ("minimize", 0.3, 0.3, True),
        ("maximize", -99, None, True),
        ("maximize", None, 0.3, True),
    ],
)
def test_the_bar_is_in_the_tasks_direction(direction: Any, screen: Any, bar: float | None, passes: bool) -> None:
    seen = judged(job(bar=bar), Recorded(screens=screen).script(), toy(direction))
    assert seen.screened_out is not passes
    assert seen.stage == ("evaluate" if passes else "screen")
    assert seen.screen == screen


def test_what_is_held_back_has_no_score_and_says_why() -> None:
    script = Recorded(screens=Result(0.25, feedback="too wide"))
    seen = judged(job(bar=0.5, repeats=(4, 5)), script.script(), toy(bounds=(1.0, None)))
    assert script.asked == ["screen"]
    assert (seen.status, seen.score, seen.stage, seen.screen) == ("ok", None, "screen", 0.25)
    assert seen.error == "held back by the screen: 0.25 does not reach 0.5"
    assert seen.feedback == "too wide"
    assert (seen.output, seen.memory) == ("call 1.0\n", 100)


def test_an_audit_goes_on_all_the_same() -> None:
    seen = judged(job(bar=0.5, audit=True), Recorded(screens=0.25).script())
    assert (seen.screened_out, seen.screen, seen.score) == (False, 0.25, 3.0)


@pytest.mark.parametrize(
    ("screens", "sources", "status", "says"),
    [
        (Invalid("too wide"), PROGRAM, "invalid", "too wide"),
        (None, CRASH, "crash", "ZeroDivisionError"),
        (OSError("no data"), PROGRAM, "judge_error", "no data"),
        (nan, PROGRAM, "judge_error", "screen returned 'score' = nan"),
        (True, PROGRAM, "judge_error", "screen returned a score of type bool"),
        ({"loss": 1}, PROGRAM, "judge_error", "screen returned a dict without 'score'"),
    ],
)
def test_a_screen_that_fails_is_the_end(screens: Any, sources: Sources, status: str, says: str) -> None:
    script = Recorded(screens=screens)
    seen = judged(job(sources=sources, audit=True), script.script())
    assert script.asked == ["screen"]
    assert (seen.status, seen.stage, seen.score, seen.screened_out) == (status, "screen", None, False)
    assert says in seen.error


def test_nothing_is_carried_from_one_seed_to_the_next() -> None:
    counting = {"program.py": "calls = []\ndef f():\n    calls.append(1)\n    return len(calls)\n"}
    script = Script(lambda candidate, seed: candidate.call("f"), screen=lambda candidate: candidate.call("f"))
    seen = judged(job(sources=counting, repeats=(4, 5)), script)
    assert [repeat.score for repeat in seen.repeats] == [1.0, 1.0, 1.0]
    assert seen.screen == 1.0


def test_several_seeds_make_one_evaluation() -> None:
    def evaluate(candidate: Candidate, seed: int) -> Result:
        value = candidate.call("f", float(seed))
        metrics = {"both": 2.0 * seed} | ({"one": 1.0} if seed == 3 else {})
        return Result(value, metrics, feedback=f"saw {seed}", artifacts={"seed.txt": str(seed)})

    seen = judged(job(repeats=(1, 8)), Script(evaluate))
    assert [(repeat.seed, repeat.score) for repeat in seen.repeats] == [(3, 3.0), (1, 1.0), (8, 8.0)]
    assert (seen.status, seen.score, seen.metrics) == ("ok", 4.0, {"both": 8.0})
    assert seen.feedback == "On seed 1, the worst of 3: saw 1"
    assert [artifact.data for artifact in seen.artifacts] == [b"3"]
    assert seen.output.split("\n") == ["call 3.0", "", "call 1.0", "", "call 8.0", ""]
    assert (seen.cpu_seconds, seen.memory) == (1.5, 300)
    assert seen.seconds >= sum(repeat.seconds for repeat in seen.repeats) > 0.0
    assert judged(job(repeats=(1, 8)), Script(evaluate), toy("minimize")).feedback.startswith("On seed 8,")
    assert judged(job(), Script(evaluate)).feedback == "saw 3"


def test_a_mean_of_huge_scores_is_a_score() -> None:
    seen = judged(job(0, repeats=(1, 2)), Script(lambda candidate, seed: {"score": 1.7e308, "loss": -1.7e308}))
    assert (seen.score, seen.metrics) == (1.7e308, {"loss": -1.7e308})


def test_the_output_of_all_seeds_keeps_to_the_limit() -> None:
    task = replace(toy(), limits=Limits(output=12))
    assert judged(job(repeats=(1, 8)), Script(call), task).output == ".0\n\ncall 8.0\n"[-12:]


@pytest.mark.parametrize("purpose", ["child", "fresh"])
def test_a_seed_that_fails_ends_it_without_a_score(purpose: Any) -> None:
    def evaluate(candidate: Candidate, seed: int) -> Any:
        if seed == 8:
            raise Invalid("out of reach")
        return call(candidate, seed)

    seen = judged(job(repeats=(1, 8, 2), purpose=purpose), Script(evaluate))
    assert (seen.status, seen.score, seen.stage, seen.metrics) == ("invalid", None, "evaluate", {})
    assert seen.error == "on seed 8, number 3 of 4: out of reach"
    assert [repeat.seed for repeat in seen.repeats] == [3, 1]
    assert seen.memory == 300
    assert judged(job(8), Script(evaluate)).error == "out of reach"


OFFSETS = (0.0, -0.5, 0.5, 0.1, 0.2, 0.3)


def lagging(candidate: Candidate, seed: int) -> float:
    """Two behind a rival that has ten times the seed, about."""
    return 10.0 * float(candidate.call("f", float(seed))) - 2.0 + 0.1 * OFFSETS[seed]


RIVAL = tuple(10.0 * seed for seed in range(6))


def test_a_race_ends_early_for_what_is_clearly_worse() -> None:
    seen = judged(job(0, repeats=(1, 2, 3, 4, 5), rival=RIVAL), Script(lagging))
    assert [repeat.seed for repeat in seen.repeats] == [0, 1, 2]
    assert seen.score == pytest.approx(mean(RIVAL) - 2.0), "not the mean of the seeds it saw, which are the lower ones"
    assert seen.status == "ok"


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "cold"},
        {"purpose": "fresh"},
        {"rival": ()},
        {"rival": RIVAL[:2]},
        {"rival": tuple(x - 3 for x in RIVAL)},
    ],
)
def test_without_a_race_or_a_clear_loss_all_seeds_are_seen(changes: dict[str, Any]) -> None:
    script = Recorded(screens=-9.0).script() if "purpose" in changes else Script(lagging)
    fields: dict[str, Any] = {"repeats": (1, 2, 3, 4, 5), "rival": RIVAL, "bar": 0.0} | changes
    seen = judged(job(0, **fields), replace(script, evaluate=lagging))
    assert len(seen.repeats) == 6
    assert seen.score == pytest.approx(mean(repeat.score for repeat in seen.repeats))
    assert (seen.stage, seen.screen) == ("evaluate", None)


def test_the_rivals_direction_and_the_bounds_hold() -> None:
    assert len(judged(job(0, repeats=(1, 2, 3, 4, 5), rival=RIVAL), Script(lagging), toy("minimize")).repeats) == 6
    worse = Script(lambda candidate, seed: float(seed == 0) * 9.5 + (0.4, 9.6, 9.9)[min(seed, 2)])
    rival = (0.4, 0.3, 0.2, 9.0, 9.0, 9.0, 9.0)
    seen = judged(job(0, repeats=(1, 2, 3, 4, 5, 6), rival=rival), worse, toy("minimize", bounds=(0.0, 10.0)))
    assert len(seen.repeats) == 3
    assert seen.score == 10.0
    lost = Script(lambda candidate, seed: (1.0, 2.0, 3.5)[seed])
    seen = judged(job(0, repeats=(1, 2, 3), rival=(8.0, 9.0, 10.0, 0.0)), lost, toy(bounds=(0.0, 10.0)))
    assert (len(seen.repeats), seen.score) == (3, 0.0)


def test_a_rivals_scores_on_further_seeds_do_not_count() -> None:
    seen = judged(job(0, repeats=(1, 2, 3), rival=(*RIVAL[:4], 1e6, 1e6)), Script(lagging))
    assert len(seen.repeats) == 3
    assert seen.score == pytest.approx(mean(RIVAL[:4]) - 2.0)


def test_what_behaves_as_its_rival_is_known_after_three_seeds_and_has_its_score() -> None:
    rival = (1.25, 0.1, 7.3, 2.2)
    seen = judged(job(0, repeats=(1, 2, 3), rival=rival), Script(lambda candidate, seed: rival[seed]))
    assert len(seen.repeats) == 3
    assert seen.score == mean(rival)


def test_validate_is_run_for_itself() -> None:
    script = Recorded(screens=-inf, validates={"score": 0.75, "gap": 0.1})
    seen = judged(job(purpose="validate", repeats=(4, 5), bar=1.0), script.script())
    assert script.asked == ["validate"]
    assert (seen.status, seen.stage, seen.score, seen.metrics) == ("ok", "validate", 0.75, {"gap": 0.1})
    assert judged(job(purpose="validate"), Recorded(validates="x").script()).error.endswith(
        "validate returned str: return a number, a dict with 'score', or a Result"
    )
    with pytest.raises(RuntimeError, match="no function validate"):
        judged(job(purpose="validate"), Script(call))


NOISY = """
from random import Random

def f(seed):
    common, own = Random(seed).gauss(0.0, {effect}), Random(f"{name} {{seed}}").gauss(0.0, 0.5)
    return {worth} + common + own
"""


def contest(seeds: Sequence[int], rng: random.Random) -> tuple[bool, int]:
    """Judge 20 candidates of known worth, each against the best before it; return whether the best won, and the evaluations."""
    best, evaluations = -1, 0
    incumbent: tuple[float, ...] = ()
    for rank in rng.sample(range(CANDIDATES), CANDIDATES):
        sources = {"program.py": NOISY.format(effect=SEEDS, name=rng.random(), worth=MEANS[rank])}
        script = Script(lambda candidate, seed: candidate.call("f", seed))
        seen = judged(job(seeds[0], sources, repeats=tuple(seeds[1:]), rival=incumbent), script)
        assert seen.status == "ok"
        scores = tuple(repeat.score for repeat in seen.repeats)
        evaluations += len(scores)
        if best < 0 or (len(scores) == len(seeds) and surely(scores, incumbent)):
            best, incumbent = rank, scores
    return best == 0, evaluations


def test_racing_through_the_judge_finds_the_best_of_twenty_at_half_the_cost() -> None:
    """A noisy task, in small; ``tests/test_racing.py`` has the trials that say how sure it is."""
    rng = random.Random(5)
    seen = [contest([rng.randrange(10**6) for _ in range(20)], rng) for _ in range(10)]
    assert sum(right for right, _ in seen) >= 9
    assert sum(evaluations for _, evaluations in seen) <= 0.5 * 10 * CANDIDATES * 20


HOARDER = """
import os, tempfile
from pathlib import Path

def f(seed):
    folders = [Path(name) for name in (".", tempfile.gettempdir(), "/dev/shm") if os.access(name, os.W_OK)]
    kept = sum((folder / "hoard").exists() for folder in folders)
    for folder in folders:
        (folder / "hoard").write_text(str(seed))
    print("saw", seed)
    return seed - kept
"""


def test_seeds_and_rivals_reach_a_jail_and_nothing_is_left_for_the_next_seed(tmp_path: Path) -> None:
    script = """
        def screen(candidate):
            return candidate.call("f", 5)

        def evaluate(candidate, seed):
            return candidate.call("f", seed)
    """
    against = job(1, {"initial.py": HOARDER}, repeats=(2, 4, 3), rival=(1.0, 2.0, 4.0, 2.0))
    with closing(LocalExecutor(jailed_toy(tmp_path, script), choose(), 1)) as executor:
        raced, fresh = answers(executor, against, replace(against, purpose="fresh", bar=9.0))
    assert (raced.status, raced.screen, raced.score, len(raced.repeats)) == ("ok", 5.0, 2.25, 3)
    assert (fresh.status, fresh.screen, fresh.score, len(fresh.repeats)) == ("ok", None, 2.5, 4)
    assert fresh.output.split() == ["saw", "1", "saw", "2", "saw", "4", "saw", "3"]
