from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

import pytest

from evolve.api import Search, optimize, resume, run
from evolve.archive import Archive
from evolve.arms import Arm, without_models
from evolve.config import BudgetConfig, Config
from evolve.errors import ArchiveError, ConfigError, JudgeError
from evolve.executor import InlineExecutor
from evolve.loop import Loop
from evolve.rebuild import rebuild
from evolve.records import Attempt, Draft, Evaluation, Job, Limits, Proposal, Task
from evolve.replay import replay
from evolve.seams import Executor, Operator, Points
from evolve.session import created, reopened, start
from evolve.task import load

INLINE = {"executor": "inline"}


def invariants(db: Path, run: str) -> dict[str, int]:
    """Check what must hold of any archive, and return some counts."""
    with closing(sqlite3.connect(db)) as connection:

        def one(sql: str) -> int:
            (value,) = connection.execute(sql).fetchone()
            return int(value)

        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        where = f"run = '{run}'"
        counted = f"SELECT count(*) FROM evaluations WHERE {where} AND purpose IN ('child', 'tune') AND cached = 0"
        twice = (
            f"SELECT count(*) FROM (SELECT 1 FROM evaluations WHERE {where} AND purpose = 'child' GROUP BY digest "
            "HAVING count(*) > 1)"
        )
        assert one(twice) == 0, "no program is judged twice"
        orphans = (
            f"SELECT count(*) FROM programs AS p WHERE {where} AND number > 0 AND NOT EXISTS "
            "(SELECT 1 FROM evaluations AS e WHERE e.run = p.run AND e.attempt = p.number AND e.digest = p.digest)"
        )
        assert one(orphans) == 0, "every program was judged by its own attempt"
        told = one(f"SELECT count(*) FROM attempts WHERE {where} AND state = 'told'")
        assert one(f"SELECT coalesce(max(told_order), 0) FROM attempts WHERE {where}") == told
        return {
            "told": told,
            "attempts": one(f"SELECT count(*) FROM attempts WHERE {where}"),
            "evaluations": one(counted),
            "pending": one(f"SELECT count(*) FROM attempts WHERE {where} AND state <> 'told'"),
        }


def test_a_run_improves_and_ends_at_exactly_its_budget(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    seen: list[Attempt] = []
    done = run(folder, evaluations=60, seed=3, db=db, executor="inline", observers=[seen.append])
    assert done.best.score is not None
    assert done.best.score > 3.5
    assert done.reason == "60 evaluations"
    counts = invariants(db, done.name)
    assert counts["evaluations"] == 60
    assert counts["pending"] == 0
    assert counts["told"] == len(seen)
    assert {attempt.proposal.arm for attempt in seen} <= {"builtin/tune", "builtin/mutate", "builtin/recombine"}
    assert done.info.state == "done"


def test_the_same_seed_gives_the_same_run(folder: Path, tmp_path: Path) -> None:
    scores = []
    for place in ("a.db", "b.db"):
        made = run(folder, evaluations=40, seed=5, db=tmp_path / place, executor="inline")
        with Archive(tmp_path / place, create=False) as archive:
            scores.append([(p.digest, p.score) for p in archive.best(100, made.name)])
    assert scores[0] == scores[1]


@pytest.mark.parametrize("bandit", ["ucb", "thompson", "fixed"])
@pytest.mark.parametrize("parents", ["weighted", "power", "best", "random"])
def test_every_sampler_and_bandit_drives_a_run(folder: Path, tmp_path: Path, parents: str, bandit: str) -> None:
    settings = {"search": {"parents": parents, "islands": 3, "migrate_every": 5}, "bandit": {"kind": bandit}}
    done = run(folder, evaluations=25, seed=1, db=tmp_path / "a.db", executor="inline", settings=settings)
    assert invariants(tmp_path / "a.db", done.name)["evaluations"] == 25


def test_minimised_scores_go_down(folder: Path, tmp_path: Path) -> None:
    (folder / "task.toml").write_text('brief = "b"\n[score]\ndirection = "minimize"\nbounds = [-1e9, 1e9]\n')
    done = run(folder, evaluations=60, seed=3, db=tmp_path / "a.db", executor="inline")
    assert done.best.score is not None
    assert done.best.score < 2.0


def test_target_and_patience_end_a_run(folder: Path, tmp_path: Path) -> None:
    assert run(folder, target=2.5, seed=1, db=tmp_path / "a.db", executor="inline").reason.startswith("target 2.5")
    reason = run(folder, patience=15, evaluations=4000, seed=1, db=tmp_path / "b.db", executor="inline").reason
    assert reason == "no better program in 15 evaluations"


def test_ask_work_tell(folder: Path, tmp_path: Path) -> None:
    with Search(folder, evaluations=10, seed=0, db=tmp_path / "a.db", executor="inline") as search:
        first = search.ask()
        second = search.ask()
        assert (first.number, second.number) == (1, 2)
        for attempt in (search.work(second), search.work(first)):
            search.tell(attempt)
        while not search.spent():
            search.tell(search.work(search.ask()))
        with pytest.raises(ConfigError, match="the budget is spent"):
            search.ask()
        best = search.best
    assert invariants(tmp_path / "a.db", search.name)["evaluations"] == 10
    with Archive(tmp_path / "a.db", create=False) as archive:
        assert archive.best(1)[0].digest == best.digest
        assert replay(archive, search.name, load(folder)).differences == ()


def test_replay_arrives_at_the_same_programs_without_judging(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    done = run(folder, evaluations=120, seed=2, db=db, executor="inline", settings={"search": {"migrate_every": 7}})
    (folder / "evaluate.py").write_text("raise SystemExit('a replay must not judge')\n")
    with Archive(db, create=False) as archive:
        found = replay(archive, done.name, load(folder))
        assert found.differences == ()
        assert found.evaluations == 120
        archive._run("UPDATE attempts SET seed = seed + 1 WHERE number = 2")
        assert "attempt 2: seed was" in replay(archive, done.name, load(folder)).differences[0]


def test_replay_of_jailed_slots_in_parallel(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    done = run(folder, evaluations=40, seed=2, db=db, slots=3)
    with Archive(db, create=False) as archive:
        assert replay(archive, done.name, load(folder)).differences == ()
        assert {judged.evaluation.isolation for judged in archive.evaluations(done.name, done.best.digest)} != {"none"}
    assert invariants(db, done.name)["evaluations"] == 40


def test_a_resumed_run_ends_as_one_that_was_never_stopped(folder: Path, tmp_path: Path) -> None:
    # Drafts only: where a budget ends an inner search, the rest of it is not made up for.
    same: Any = {
        "seed": 4,
        "executor": "inline",
        "name": "r",
        "settings": {"arms": {"evolve.operators.mutate:Mutate": 1.0}},
    }
    whole = run(folder, evaluations=80, db=tmp_path / "a.db", **same)
    run(folder, evaluations=30, db=tmp_path / "b.db", **same)
    again = resume("r", evaluations=80, db=tmp_path / "b.db")
    assert again.reason == "80 evaluations"
    digests = []
    for db in (tmp_path / "a.db", tmp_path / "b.db"):
        with Archive(db, create=False) as archive:
            digests.append([p.digest for p in archive.best(200, "r")])
            assert replay(archive, "r", load(folder)).differences == ()
    assert whole.best.score == again.best.score
    assert digests[0] == digests[1]
    assert len(digests[0]) > 3
    assert invariants(tmp_path / "b.db", "r")["evaluations"] == 80


def test_replay_follows_settings_that_a_resume_changed(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    first = {"arms": {"builtin/mutate": 1.0}, "search": {"elites": 4}}
    run(folder, evaluations=40, seed=3, db=db, executor="inline", settings=first)
    changed: dict[str, object] = {
        "arms": {"builtin/tune": 1.0, "builtin/recombine": 1.0},
        "search": {"elites": 9, "islands": 2},
    }
    later: tuple[dict[str, object], ...] = (changed, {"search": {"elites": 3}})
    for number, flags in enumerate(later, start=2):
        with reopened(db=db, name="sum-1", flags={"budget": {"evaluations": 40 * number}, **flags}) as session:
            session.evolve()
    with Archive(db, create=False) as archive:
        assert len(archive.sittings("sum-1")) == 3
        assert replay(archive, "sum-1", load(folder)).differences == ()


def test_resume_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    with pytest.raises(ArchiveError, match="no archive"):
        resume(db=db)
    done = run(folder, evaluations=5, seed=4, db=db, executor="inline")
    with pytest.raises(ArchiveError, match="every run of this archive is done"):
        resume(db=db)
    (folder / "evaluate.py").write_text((folder / "evaluate.py").read_text() + "# changed\n")
    with pytest.raises(ArchiveError, match=f"--from {done.name}"):
        resume(done.name, evaluations=10, db=db)
    with pytest.raises(ConfigError, match="unknown argument 'evals'"):
        resume(done.name, evals=10, db=db)


def test_from_a_run_and_from_a_file(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    only = {"arms": {"builtin/mutate": 1.0}}
    first = run(folder, evaluations=60, seed=3, db=db, executor="inline", settings=only)
    mine = tmp_path / "mine.py"
    mine.write_text((folder / "initial.py").read_text().replace("0.25", "75.0"))
    second = run(folder, evaluations=5, seed=3, db=db, executor="inline", start_from=[first.name, str(mine)])
    with Archive(db, create=False) as archive:
        names = [program.operator for program, _ in archive.seeds(second.name)]
    assert names[0] == "seed"
    assert str(mine) in names
    assert f"{first.name}/{first.best.id}" in names
    assert second.best.score is not None
    assert first.best.score is not None
    assert second.best.score >= max(450.0, first.best.score)
    with pytest.raises(ConfigError, match="neither a file nor a run"):
        run(folder, evaluations=5, db=db, executor="inline", start_from=["nothing"])


def test_programs_to_start_from_outlive_a_judge_that_breaks_before_it_has_judged_them(
    folder: Path, tmp_path: Path
) -> None:
    db, armed, once = tmp_path / "a.db", tmp_path / "armed", tmp_path / "once"
    judge = (folder / "evaluate.py").read_text().replace("def evaluate(", "def really(")
    (folder / "evaluate.py").write_text(
        f"{judge}\n\nfrom pathlib import Path\n\n\ndef evaluate(candidate):\n"
        f"    if Path({str(armed)!r}).exists() and Path({str(once)!r}).exists():\n"
        "        raise OSError('the disk is gone')\n"
        f"    Path({str(once)!r}).touch()\n    return really(candidate)\n"
    )
    paths = [tmp_path / "mine.py", tmp_path / "yours.py"]
    for path, number in zip(paths, ("75.0", "80.0"), strict=True):
        path.write_text((folder / "initial.py").read_text().replace("0.25", number))
    armed.touch()
    with pytest.raises(JudgeError, match="the disk is gone"):
        run(folder, evaluations=5, db=db, executor="inline", name="r", start_from=list(map(str, paths)))
    with Archive(db) as archive:
        assert [program.operator for program, _ in archive.seeds("r")] == ["seed"]
    armed.unlink()
    done = resume("r", db=db)
    with Archive(db) as archive:
        assert [program.operator for program, _ in archive.seeds("r")] == ["seed", *map(str, paths)]
        assert replay(archive, "r", load(folder)).differences == ()
    assert done.info.evaluations == 5
    assert done.best.score is not None
    assert done.best.score >= 450.0


def test_a_seed_that_fails_is_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    (folder / "initial.py").write_text("def total(n):\n    return [][n]\n")
    with pytest.raises(ConfigError, match=r"(?s)ends as crash.*IndexError"):
        run(folder, evaluations=5, db=tmp_path / "a.db", executor="inline", name="r")
    with pytest.raises(ConfigError, match="no program with a score to go on from"):
        resume("r", db=tmp_path / "a.db")


def test_unknown_arms_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'builtin/tun' is no arm; known: builtin/"):
        run(folder, evaluations=5, db=tmp_path / "a.db", executor="inline", settings={"arms": {"builtin/tun": 1}})


def marked(text: str) -> str:
    return f"# EVOLVE-BLOCK-START\n{text}# EVOLVE-BLOCK-END\n"


class Count:
    """An arm whose children are numbered, with an inner optimiser of five points."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        return self._at(proposal, 0)

    def points(self, proposal: Proposal, task: Task, child: Draft, evaluation: Evaluation) -> Points:
        for place in range(1, 6):
            seen = yield self._at(proposal, place)
            assert seen.score is not None

    def _at(self, proposal: Proposal, place: int) -> Draft:
        text = f"def total(n):\n    return {proposal.number} + {place} / 10 + 0 * n\n"
        return Draft({"initial.py": marked(text)}, f"point {place}", {"place": place})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def only(name: str, operator: Operator) -> dict[str, Arm]:
    return without_models({name: operator}, {name: 1.0})


def inline(stack: ExitStack, task: Task) -> InlineExecutor:
    executor = InlineExecutor(task)
    stack.callback(executor.close)
    return executor


def looped(stack: ExitStack, task: Task, db: Path, executor: Executor, **budget: int) -> Loop:
    config = Config(arms={"count": 1.0}, executor="inline", budget=BudgetConfig(**budget))
    archive = stack.enter_context(Archive(db))
    info = archive.create_run("r", task, 0, config.model_dump(mode="json"))
    loop = Loop(task, archive, info.name, config, executor, seed=0, arms=only("count", Count()))
    start(loop, [("seed", task.initial)])
    return loop


def test_inner_points_are_counted_and_the_best_becomes_the_program(
    stack: ExitStack, task: Task, tmp_path: Path
) -> None:
    loop = looped(stack, task, tmp_path / "a.db", inline(stack, task), evaluations=9)
    loop.evolve()
    counts = invariants(tmp_path / "a.db", "r")
    assert counts["evaluations"] == 9
    assert counts["told"] == 2
    one, two = (loop.archive.attempt("r", number) for number in (1, 2))
    assert (len(one.points), len(two.points)) == (6, 3)
    assert one.program is not None
    assert (one.program.score, one.program.traits) == (1.5, {"place": 5})


class Broken:
    """An executor whose judge fails from the given job on."""

    def __init__(self, inner: InlineExecutor, good: int) -> None:
        self._inner = inner
        self._left = good
        self.slots = 3

    def submit(self, job: Job) -> Future[Evaluation]:
        self._left -= 1
        if self._left >= 0:
            return self._inner.submit(job)
        future: Future[Evaluation] = Future()
        future.set_result(Evaluation("judge_error", error="Traceback: evaluate.py, line 3"))
        return future

    def pump(self, timeout: float | None) -> None:
        self._inner.pump(timeout)

    def wake(self) -> None:
        self._inner.wake()

    def close(self) -> None:
        self._inner.close()


def test_a_judge_error_stops_the_run_and_loses_nothing(stack: ExitStack, task: Task, tmp_path: Path) -> None:
    loop = looped(stack, task, tmp_path / "a.db", Broken(inline(stack, task), good=9), evaluations=30)
    with pytest.raises(JudgeError, match=r"evaluate.py, line 3"):
        loop.evolve()
    counts = invariants(tmp_path / "a.db", "r")
    assert counts["evaluations"] in (6, 7, 8), "the ninth job failed, two others may have been under way"
    assert counts["pending"] == 3, "no attempt pays for what evaluate.py did wrong"


class Odd(Broken):
    """An executor whose judge fails on every fifth job."""

    def __init__(self, inner: InlineExecutor, slots: int) -> None:
        super().__init__(inner, good=0)
        self.slots = slots
        self._count = 0

    def submit(self, job: Job) -> Future[Evaluation]:
        self._count += 1
        self._left = int(self._count % 5 > 0)
        return super().submit(job)


@pytest.mark.parametrize("slots", [1, 3])
def test_programs_on_which_evaluate_fails_now_and_then_are_set_aside(
    stack: ExitStack, task: Task, tmp_path: Path, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = looped(stack, task, tmp_path / "a.db", Odd(inline(stack, task), slots), evaluations=40)
    loop.arms = only("count", Slow(tmp_path / "a.db"))
    said: list[str] = []
    monkeypatch.setattr(loop, "say", said.append)
    assert loop.evolve() == "40 evaluations"
    counts = invariants(tmp_path / "a.db", "r")
    assert (counts["evaluations"], counts["pending"], loop.budget.reserved) == (40, 0, 0)
    aside = [one for one in loop.archive.history("r") if one.stage == "judge"]
    assert len(aside) == sum("is set aside: Traceback: evaluate.py, line 3" in line for line in said) >= 8
    assert all((one.program, one.points) == (None, []) for one in aside)
    reasons = {one.reason for one in loop.archive.ended("r") if one.how == "judge"}
    assert reasons == {"evaluate.py failed on it: Traceback: evaluate.py, line 3"}


def test_what_the_archive_knew_does_not_show_that_the_judge_works(
    stack: ExitStack, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "a.db"
    loop = looped(stack, task, db, Broken(inline(stack, task), good=1), evaluations=40)
    loop.arms = only("count", Slow(db))
    known = iter(range(300))  # a run that goes on for ever ends here
    seen = Evaluation("ok", 1.0, cached=True)
    monkeypatch.setattr(loop.jobs, "known", lambda digest: seen if next(known) % 2 else None)
    with pytest.raises(JudgeError, match=r"evaluate.py, line 3"):
        loop.evolve()
    assert loop.budget.evaluations == 0


def test_an_inner_search_on_which_evaluate_fails_keeps_what_it_found(
    stack: ExitStack, task: Task, tmp_path: Path
) -> None:
    loop = looped(stack, task, tmp_path / "a.db", Odd(inline(stack, task), 1), evaluations=20)
    assert loop.evolve() == "20 evaluations"
    assert invariants(tmp_path / "a.db", "r")["pending"] == loop.budget.reserved == 0
    attempts = list(loop.archive.history("r"))
    assert len(attempts[0].points) == 3, "the seed was the first job, and the fifth failed"
    assert attempts[0].program is not None
    said, *changed = attempts[0].reason.splitlines()
    assert said == "evaluate.py failed on a point of its inner search: Traceback: evaluate.py, line 3"
    assert {line[0] for line in changed[2:-1]} >= {"+", "-"}, "what the point was"


def test_replay_passes_over_programs_that_were_set_aside(folder: Path, tmp_path: Path) -> None:
    flags = {"budget": {"evaluations": 200}}
    with created(
        folder, flags=flags, seed=1, db=tmp_path / "a.db", make=lambda task, *rest: Odd(InlineExecutor(task), 2)
    ) as session:
        assert session.evolve() == "200 evaluations"
        stages = [one.stage for one in session.archive.history(session.info.name)]
        assert "judge" in stages
        assert replay(session.archive, session.info.name, load(folder)).differences == ()


def test_a_failing_inner_optimiser_resumes_where_it_was(stack: ExitStack, task: Task, tmp_path: Path) -> None:
    loop = looped(stack, task, tmp_path / "a.db", Broken(inline(stack, task), good=6), evaluations=14)
    with pytest.raises(JudgeError):
        loop.evolve()
    fresh = Loop(task, loop.archive, "r", loop.config, inline(stack, task), seed=0, arms=only("count", Count()))
    rebuild(fresh)
    assert fresh.evolve() == "14 evaluations"
    assert invariants(tmp_path / "a.db", "r")["evaluations"] == 14
    for attempt in loop.archive.history("r"):
        whole = loop.archive.attempt("r", attempt.proposal.number)
        assert [point.draft.traits["place"] for point in whole.points] == list(range(len(whole.points)))


def test_a_smaller_budget_than_what_is_under_way_is_an_error(stack: ExitStack, folder: Path, tmp_path: Path) -> None:
    task = load(folder)
    loop = looped(stack, task, tmp_path / "a.db", Broken(inline(stack, task), good=2), evaluations=30)
    with pytest.raises(JudgeError):
        loop.evolve()
    small = Config(arms={"count": 1.0}, executor="inline", budget=BudgetConfig(evaluations=1))
    fresh = Loop(task, loop.archive, "r", small, inline(stack, task), seed=0, arms=only("count", Count()))
    with pytest.raises(ConfigError, match="give a budget larger than 1"):
        rebuild(fresh)


class Stuck:
    """An arm that always draws the same child."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        return Draft({"initial.py": marked("def total(n):\n    return 7\n")})


def test_a_run_whose_arms_find_nothing_new_ends(stack: ExitStack, task: Task, tmp_path: Path) -> None:
    config = Config(arms={"stuck": 1.0}, executor="inline", budget=BudgetConfig(evaluations=5))
    with Archive(tmp_path / "a.db") as archive:
        name = archive.create_run(None, task, 0, config.model_dump(mode="json")).name
        loop = Loop(task, archive, name, config, inline(stack, task), seed=0, arms=only("stuck", Stuck()))
        start(loop, [("seed", task.initial)])
        assert loop.evolve() == "no new program in 2000 attempts"
    assert invariants(tmp_path / "a.db", name)["evaluations"] == 1


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ({"initial.py": "def total(n):\n    return 7\n"}, "outside its evolve blocks"),
        ({"initial.py": marked("x = 1\n") + "import os\n"}, "outside its evolve blocks"),
        ({"initial.py": marked("x = '\ud800'\n")}, "is no text"),
        ({"initial.py": marked("x = 1\n"), "evil\0.py": "x"}, "must consist of the files initial.py"),
        ({"initial.py": "# EVOLVE-BLOCK-START\n"}, "is never closed"),
        ({}, "not none"),
    ],
)
def test_what_no_arm_may_draft(
    stack: ExitStack, task: Task, tmp_path: Path, sources: dict[str, str], says: str
) -> None:
    class Rogue:
        def draft(self, proposal: Proposal, task: Task) -> Draft:
            return Draft(sources)

    loop = looped(stack, task, tmp_path / "a.db", inline(stack, task), evaluations=5)
    loop.arms = only("count", Rogue())
    attempt = loop.work(loop.ask())
    loop.tell(attempt)
    assert (attempt.stage, attempt.points) == ("draft", [])
    assert says in attempt.reason
    assert loop.budget.reserved == 0


def test_near_copies_are_refused_where_a_model_made_them(stack: ExitStack, task: Task, tmp_path: Path) -> None:
    class Copy:
        def draft(self, proposal: Proposal, task: Task) -> Draft:
            lines = "".join(f"    a{k} = {k}\n" for k in range(150))
            text = f"def total(n):\n{lines}    return n + {proposal.number}\n"
            return Draft({"initial.py": marked(text)})

    for arm, told in (("gpt", 1), ("builtin/copy", 0)):
        free = {"builtin/tune" if told else arm: 1.0}  # what is none of these is a model
        config = Config(arms=free, executor="inline", budget=BudgetConfig(evaluations=3))
        with Archive(tmp_path / f"{told}.db") as archive:
            name = archive.create_run(None, task, 0, config.model_dump(mode="json")).name
            loop = Loop(task, archive, name, config, inline(stack, task), seed=0, arms=only(arm, Copy()))
            start(loop, [("seed", task.initial)])
            attempts = []
            for _ in range(3):
                attempts.append(loop.work(loop.ask()))
                loop.tell(attempts[-1])
        refused = [attempt for attempt in attempts if attempt.stage == "novelty"]
        assert bool(refused) == bool(told)
        assert all("of it is in program" in attempt.reason for attempt in refused)


def test_optimize_judges_by_a_function(tmp_path: Path) -> None:
    def closeness(candidate: object) -> float:
        return -abs(candidate.call("guess") - 2.718)  # type: ignore[attr-defined, no-any-return]

    done = optimize("def guess():\n    return 1.0\n", closeness, evaluations=30, seed=0, db=tmp_path / "a.db", slots=2)
    assert done.best.score is not None
    assert done.best.score > -1.718
    with pytest.raises(ArchiveError, match="whose function is not stored"):
        resume(done.name, evaluations=40, db=tmp_path / "a.db")


def test_optimize_minimises_and_takes_what_a_run_takes(tmp_path: Path) -> None:
    def error(candidate: object) -> float:
        return abs(candidate.call("guess") - 2.718)  # type: ignore[attr-defined, no-any-return]

    seen: list[Attempt] = []
    given: dict[str, Any] = {"db": tmp_path / "a.db", "seed": 1, "slots": 1, "limits": Limits(seconds=5.0)}
    done = optimize(
        {"guess.py": "VALUE = 1.0\n\ndef guess():\n    return VALUE\n"}, error, "Guess.", direction="minimize", name="down",
        evaluations=20, observers=[seen.append], settings={"arms": {"builtin/tune": 1.0}}, **given,
    )  # fmt: skip
    assert (done.name, done.info.direction, done.info.evaluations) == ("down", "minimize", 20)
    assert done.info.best == done.best.score
    assert done.best.score is not None
    assert done.best.score < 1.718
    assert {attempt.proposal.arm for attempt in seen} == {"builtin/tune"}
    assert list(done.best.sources) == ["guess.py"]
    again = optimize({"guess.py": "def guess():\n    return 0.5\n"}, error, direction="minimize", evaluations=2,
                     start_from="down", **given)  # fmt: skip
    assert again.best.score == done.best.score, "the earlier run's best is where it starts"
    with pytest.raises(ConfigError, match=r"direction .up.: give"):
        optimize("x = 1\n", error, direction="up", db=tmp_path / "a.db")
    with pytest.raises(ConfigError):
        optimize("x = 1\n", error, models="no-such-model-anywhere", evaluations=1, db=tmp_path / "b.db")


def test_a_run_is_locked_against_a_second_process(folder: Path, tmp_path: Path) -> None:
    flags = {"budget": {"evaluations": 5}, **INLINE}
    with (
        created(folder, flags=flags, seed=0, name="r", db=tmp_path / "a.db"),
        pytest.raises(ArchiveError, match=str(os.getpid())),
        reopened("r", db=tmp_path / "a.db"),
    ):
        pass


@pytest.fixture
def slow(folder: Path) -> Path:
    """A task whose evaluations take some milliseconds and leave a trace of each."""
    text = (folder / "evaluate.py").read_text()
    traced = text.replace("    value =", f"    open({str(folder.parent / 'trace')!r}, 'a').write('x')\n    value =")
    (folder / "evaluate.py").write_text(traced)
    return folder


def spawn(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "evolve", *arguments],
        cwd=folder.parent,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_kill_9_at_ten_random_moments_then_resume(slow: Path) -> None:
    """The whole process group is killed each time; in the end exactly the budget was judged, nothing twice."""
    db, budget, rng = slow.parent / "evolve.db", 300, Random(7)
    arguments = ["run", str(slow), "--evaluations", str(budget), "--seed", "1", "--name", "r", "--slots", "2"]
    for kill in range(10):
        child = spawn(slow, *arguments)
        if kill == 0:
            _wait_for(db)
        time.sleep(rng.uniform(0.2, 1.2))
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if db.exists():
            with Archive(db) as archive:
                if archive.runs():
                    assert archive.run().state in ("cut off", "done")
                    arguments = ["resume", "r", "--slots", "2"]
                    invariants(db, "r")
    code = spawn(slow, *arguments).wait(timeout=120)
    assert code in (0, 3)
    counts = invariants(db, "r")
    assert counts["evaluations"] == budget
    assert counts["pending"] == 0
    judged = len((slow.parent / "trace").read_text())
    with Archive(db, create=False) as archive:
        champions = archive.champions("r")
        again = 2 * len(champions)  # reviews are no part of the budget, and some were cut off
        assert budget <= judged <= budget + 1 + again + 10 * (2 + 1), "a kill repeats at most what was under way"
        assert [champion.place for champion in champions] == list(range(len(champions)))
        assert archive.champion("r") is not None
        assert replay(archive, "r", load(slow)).differences == ()


def _wait_for(db: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if db.exists():
            with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
                try:
                    if connection.execute("SELECT count(*) FROM programs").fetchone()[0]:
                        return
                except sqlite3.OperationalError:
                    pass
        time.sleep(0.02)
    raise AssertionError("the run did not start")


def test_ctrl_c_drains_and_resume_goes_on(slow: Path) -> None:
    db = slow.parent / "evolve.db"
    child = spawn(slow, "run", str(slow), "--evaluations", "4000", "--seed", "1", "--name", "r")
    _wait_for(db)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 130
    counts = invariants(db, "r")
    assert counts["pending"] == 0, "what was under way was finished"
    with Archive(db, create=False) as archive:
        assert archive.run("r").state == "stopped"
    made = counts["evaluations"]
    assert resume(evaluations=made + 10, db=db).reason == f"{made + 10} evaluations"


def test_json_events_are_one_object_a_line(folder: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "evolve",
        "run",
        str(folder),
        "--evaluations",
        "15",
        "--executor",
        "inline",
        "--json",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["event"] for event in events} == {"attempt", "end"}
    assert events[-1]["evaluations"] == 15
    assert done.returncode == (0 if events[-1]["best"] > 2.0 else 3)


def test_proposals_carry_what_was_tried_on_their_parent(stack: ExitStack, task: Task, tmp_path: Path) -> None:
    loop = looped(stack, task, tmp_path / "a.db", inline(stack, task), evaluations=100)
    proposals = []
    for _ in range(6):
        proposal = loop.ask()
        proposals.append(proposal)
        loop.tell(loop.work(proposal))
    assert proposals[0].best == 2.0
    assert proposals[-1].best == 5.5
    assert any(proposal.tried for proposal in proposals)
    assert all(proposal.told == proposal.number - 1 for proposal in proposals)
    assert replace(proposals[0], number=2).seed == proposals[0].seed


def test_patience_counts_on_after_a_resume(stack: ExitStack, task: Task, tmp_path: Path) -> None:
    """What an inner search under way has had judged counts before a best that was told meanwhile, not after it."""
    loop = looped(stack, task, tmp_path / "a.db", inline(stack, task), evaluations=40)
    under_way, best = loop.ask(), loop.ask()
    loop.work(under_way)
    loop.tell(loop.work(best))
    fresh = Loop(task, loop.archive, "r", loop.config, inline(stack, task), seed=0, arms=only("count", Count()))
    rebuild(fresh)
    assert fresh.budget.best == loop.budget.best
    assert fresh.budget.best_at == loop.budget.best_at == fresh.budget.evaluations == 12


class Slow:
    """An arm that takes its time, and looks how many attempts others can see meanwhile."""

    def __init__(self, db: Path) -> None:
        self._db = db
        self.visible: list[int] = []

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        with closing(sqlite3.connect(self._db)) as connection:
            self.visible += connection.execute("SELECT count(*) FROM attempts").fetchone()
        time.sleep(0.06)
        return Draft({"initial.py": marked(f"def total(n):\n    return {proposal.number}\n")})


def test_slow_drafts_do_not_keep_the_archive_from_others(
    stack: ExitStack, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolve.loop.LONG", 0.05)
    loop = looped(stack, task, tmp_path / "a.db", Broken(inline(stack, task), good=1000), evaluations=3)
    slow = Slow(tmp_path / "a.db")
    loop.arms = only("count", slow)
    loop.evolve()
    assert slow.visible == [0, 1, 2]


class Unclosed(InlineExecutor):
    """An executor that is interrupted while it closes."""

    def close(self) -> None:
        super().close()
        raise KeyboardInterrupt


def test_an_interrupt_while_a_run_closes_leaves_how_it_ended(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    with (
        pytest.raises(KeyboardInterrupt),
        created(
            folder, flags={"budget": {"evaluations": 4}}, name="r", db=db, make=lambda task, *rest: Unclosed(task)
        ) as session,
    ):
        session.evolve()
    with Archive(db) as archive:
        info = archive.run("r")
    assert (info.state, info.reason) == ("done", "4 evaluations")
    assert info.seconds > 0


def test_a_resume_that_cannot_begin_leaves_the_run_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(task: Task) -> InlineExecutor:
        raise ConfigError("it needs a GPU")

    done = run(folder, evaluations=4, db=tmp_path / "a.db", executor="inline")
    monkeypatch.setattr("evolve.session.InlineExecutor", refused)
    with pytest.raises(ConfigError, match="GPU"):
        resume(done.name, evaluations=6, db=tmp_path / "a.db")
    assert (done.info.state, done.info.reason) == ("done", "4 evaluations")


def test_a_link_to_an_archive_has_its_lock(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    with (
        Archive(tmp_path / "a.db") as one,
        Archive(tmp_path / "link.db") as other,
        one.lock("r"),
        pytest.raises(ArchiveError, match=str(os.getpid())),
        other.lock("r"),
    ):
        pass


def test_a_loop_of_ones_own_is_paused_and_stopped_by_people(folder: Path, tmp_path: Path) -> None:
    with (
        Search(folder, evaluations=1000, name="r", db=tmp_path / "a.db", executor="inline") as search,
        Archive(tmp_path / "a.db") as people,
    ):
        search.tell(search.work(search.ask()))
        people.command("r", "pause")

        def go_on() -> None:
            with Archive(tmp_path / "a.db") as archive:
                archive.command("r", "continue")

        later = Timer(0.3, go_on)
        began = time.monotonic()
        later.start()
        search.tell(search.work(search.ask()))
        assert time.monotonic() - began >= 0.3
        people.command("r", "stop")
        assert search.spent().startswith("stopped from")
    with Archive(tmp_path / "a.db") as archive:
        assert archive.run("r").state == "stopped"
