"""Champions: who becomes one, by which evidence, and that a review disturbs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from evolve.api import Search, resume, run
from evolve.archive import Archive
from evolve.archive.export import write_database
from evolve.champions import FRESH, LOOKS, WAITING, Again, Champions
from evolve.cli import main
from evolve.config import BudgetConfig, Config
from evolve.errors import JudgeError
from evolve.executor import InlineExecutor
from evolve.loop import STRIKES, Loop
from evolve.rebuild import rebuild
from evolve.records import Direction, Evaluation, Fresh, Job, Metric, Repeat, Stages, Task
from evolve.replay import replay
from evolve.session import start
from evolve.task import load
from evolve.view.report.doubts import doubts
from evolve.view.report.facts import gather
from tests import archives
from tests.archives import rows
from tests.heard import Heard

Judge = Callable[[Again], Evaluation]


def seen(*scores: float, first: int = 0, fresh: Fresh | None = None) -> Evaluation:
    """Return an evaluation with one score, or one per seed."""
    repeats = tuple(Repeat(first + place, score, 0.1) for place, score in enumerate(scores))
    mean = sum(scores) / len(scores)
    return Evaluation("ok", mean, repeats=repeats if len(scores) > 1 else (), fresh=fresh)


class Bout:
    """A run of a task that is never judged: its champions, with what they say."""

    def __init__(
        self, archive: Archive, *, repeats: int = 1, direction: Direction = "maximize", first: Evaluation
    ) -> None:
        self.task = replace(archives.task(direction=direction), stages=Stages(repeats=repeats))
        self.archive = archive
        self.run = archive.create_run(None, self.task, 1, {}).name
        self.seed = replace(archives.seed(), score=first.score)
        archive.seeded(self.run, self.seed, first, 0)
        self.said: list[str] = []
        self.champions = self.opened()
        self.number = 0

    def opened(self) -> Champions:
        champions = Champions(self.archive, self.run, self.task, self.said.append)
        champions.begin()
        return champions

    def contend(self, evaluation: Evaluation) -> str:
        """Tell an attempt with this evaluation and return the digest of its program."""
        self.number += 1
        attempt = archives.judge(archives.drafted(self.number, self.seed, f"x = {self.number}"), evaluation)
        self.archive.drafted(self.run, replace(attempt, points=[], program=None, gain=None))
        self.archive.judged(self.run, attempt, 0, "child", 0)
        self.archive.told(self.run, attempt, self.number)
        self.champions.offer(attempt)
        return attempt.digest or ""

    def review(self, judge: Judge) -> list[Job]:
        """Lead all reviews to their ends, and return the jobs that were asked for."""
        jobs = []
        self.champions.advance()
        while (again := self.champions.next) is not None:
            jobs.append(again.job)
            self.champions.take(judge(again))
            self.champions.advance()
        assert self.champions.idle
        return jobs

    @property
    def verdicts(self) -> list[tuple[int, str, str]]:
        return [(found.place, found.digest, found.verdict) for found in self.archive.champions(self.run)]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        yield opened


def nobody(again: Again) -> Evaluation:
    raise AssertionError(f"nothing is to be judged, not {again.job.id}")


def test_whoever_has_retired_reviews_nobody(archive: Archive) -> None:
    bout = Bout(archive, repeats=2, first=seen(1.0, 1.0))
    bout.contend(seen(2.0, 2.0))
    bout.champions.retire()
    bout.contend(seen(3.0, 3.0))
    assert bout.review(nobody) == []
    assert bout.verdicts == [(0, bout.seed.digest, "promoted")]
    assert bout.champions.score() == 1.0


@pytest.mark.parametrize("direction", get_args(Direction))
def test_on_one_seed_a_better_score_is_enough(archive: Archive, direction: Direction) -> None:
    sign = Metric("score", direction).sign
    bout = Bout(archive, direction=direction, first=seen(sign))
    assert bout.verdicts == [(0, bout.seed.digest, "promoted")]
    better = bout.contend(seen(2 * sign))
    bout.contend(seen(1.5 * sign))
    bout.contend(Evaluation("crash"))
    bout.contend(Evaluation("ok", stage="screen", error="held back"))
    bout.contend(seen(2 * sign))
    assert bout.review(nobody) == []
    assert bout.verdicts[1:] == [(1, better, "promoted")], "of equals the older, and nobody worse"
    assert bout.champions.rival == ()
    assert bout.said == []
    found = archive.champion(bout.run)
    assert found is not None
    assert (found.against, found.score, found.cold_score, found.gap) == (bout.seed.digest, 2 * sign, None, None)


def test_the_score_of_a_fork_is_checked_in_a_cold_process(archive: Archive) -> None:
    bout = Bout(archive, first=seen(1.0))
    steady, shaky, hollow = (bout.contend(seen(score, fresh="fork")) for score in (2.0, 3.0, 4.0))
    cold = {steady: seen(2.0), shaky: seen(3.5), hollow: Evaluation("crash", error="no module x")}
    jobs = bout.review(lambda again: cold[again.digest])
    assert [(job.purpose, job.seeds, job.rival, job.bar) for job in jobs] == [("cold", (0,), (), None)] * 2
    assert bout.verdicts[1:] == [(1, hollow, "refused"), (2, shaky, "promoted")], (
        "the best first; the third is superseded"
    )
    refused, promoted = archive.champions(bout.run)[1:]
    assert (refused.reason, refused.cold_status) == ("crash in a cold process: no module x", "crash")
    assert (promoted.cold_score, promoted.cold_difference) == (3.5, 0.5)
    assert len(bout.said) == 2
    assert "is not the champion: crash in a cold process" in bout.said[0]
    assert "scores 3.5 in a cold process and 3.0 in a fork" in bout.said[1]
    bout.contend(seen(5.0, fresh="process"))
    assert bout.review(nobody) == [], "what was judged cold is not judged so again"


def test_on_several_seeds_fresh_ones_decide(archive: Archive) -> None:
    bout = Bout(archive, repeats=3, first=seen(1.0, 2.0, 3.0))
    assert bout.champions.rival == (1.0, 2.0, 3.0)
    digest = bout.contend(seen(2.0, 3.0, 4.0))

    def judged(again: Again) -> Evaluation:
        by = 1.0 if again.digest == digest else 0.0
        return seen(*(seed % 7 + by for seed in again.job.seeds), first=again.job.seed)

    jobs = bout.review(judged)
    assert [job.purpose for job in jobs] == ["fresh"] * 2
    assert jobs[0].seeds == jobs[1].seeds, "the same for both"
    assert len(jobs[0].seeds) == 3
    assert all(seed in FRESH for seed in jobs[0].seeds), "not those of all"
    found = archive.champion(bout.run)
    assert found is not None
    assert (found.digest, found.lead, found.low, found.seeds) == (digest, 1.0, 1.0, 3)
    assert bout.champions.rival == (2.0, 3.0, 4.0)
    assert "is the champion: better by 1 (1 at least) on 3 fresh seeds" in bout.said[0]


def test_a_verdict_that_is_open_gets_more_seeds_up_to_a_bound(archive: Archive) -> None:
    bout = Bout(archive, repeats=2, first=seen(0.0, 0.0))
    digest = bout.contend(seen(9.0, 9.0))

    def judged(again: Again) -> Evaluation:
        return seen(*((3.0, -2.0) if again.digest == digest else (0.0, 0.0)), first=again.job.seed)

    jobs = bout.review(judged)
    used = [job.seeds for job in jobs]
    assert len(jobs) == 2 * LOOKS
    assert used[::2] == used[1::2]
    assert len({seed for seeds in used for seed in seeds}) == 2 * LOOKS
    assert all(1 << 20 <= seed < 1 << 31 for seeds in used for seed in seeds), "which fit in 32 bits, with a sign"
    refused = archive.champions(bout.run)[1]
    assert (refused.verdict, refused.reason) == ("refused", "not shown to be better on 8 fresh seeds")
    assert bout.champions.rival == (0.0, 0.0)
    bout.contend(seen(9.0, 9.5))
    worse = bout.review(lambda again: seen(*((0.0, 0.0) if again.digest == bout.seed.digest else (-1.0, -2.0))))
    assert len(worse) == 2, "who is behind gets no more seeds"
    assert not set(worse[0].seeds) & {seed for seeds in used for seed in seeds}, "a place has seeds of its own"


@pytest.mark.parametrize(("leads", "verdict"), [((1.0, 1.0, 1.0, 1.0), "promoted"), ((1.0, 1.0, 0.0, -1.0), "refused")])
def test_two_equal_leads_may_be_chance(archive: Archive, leads: tuple[float, ...], verdict: str) -> None:
    """As where a score is a share of few items: a lead that is the same twice says little, and has no spread to show it."""
    bout = Bout(archive, repeats=2, first=seen(0.0, 0.0))
    digest = bout.contend(seen(1.0, 1.0))
    own = iter((leads[:2], leads[2:], (0.0, 0.0), (0.0, 0.0)))
    bout.review(lambda again: seen(*(next(own) if again.digest == digest else (0.0, 0.0)), first=again.job.seed))
    found = archive.champions(bout.run)[1]
    assert (found.verdict, found.seeds >= 4) == (verdict, True)


def test_who_does_the_same_as_one_that_was_beaten_is_not_reviewed_again(archive: Archive) -> None:
    bout = Bout(archive, repeats=2, first=seen(1.0, 2.0))
    beaten = bout.contend(seen(3.0, 4.0))
    jobs = bout.review(lambda again: seen(1.0, 2.0, first=again.job.seed))
    assert jobs
    same = bout.contend(seen(3.0, 4.0))
    assert bout.review(nobody) == []
    found = archive.verdict(bout.run, same)
    assert found is not None
    assert (found.verdict, found.reason) == (
        "refused", f"judged just as {beaten[:10]}, which was not shown to be better",
    )  # fmt: skip
    bout.champions = bout.opened()  # as a resume does
    bout.contend(seen(3.0, 4.0))
    assert bout.review(nobody) == []
    bout.contend(replace(seen(3.0, 4.0), metrics={"size": 2.0}))
    bout.contend(seen(4.0, 3.0))
    assert len(bout.review(lambda again: seen(*([9.0, 9.5] if again.digest != bout.seed.digest else [1.0, 2.0])))) > 0
    champion = archive.champion(bout.run)
    assert champion is not None
    assert champion.place > 0
    bout.contend(seen(5.0, 6.0))
    assert bout.review(lambda again: seen(1.0, 2.0, first=again.job.seed)), "a new champion meets all anew"


def test_failing_on_fresh_seeds_decides(archive: Archive) -> None:
    bout = Bout(archive, repeats=2, first=seen(1.0, 1.0))
    frail = bout.contend(seen(2.0, 2.0))
    bout.review(lambda again: Evaluation("crash") if again.digest == frail else seen(1.0, 1.0))
    strong = bout.contend(seen(3.0, 3.0))
    bout.review(lambda again: Evaluation("timeout") if again.digest == bout.seed.digest else seen(3.0, 3.0))
    assert bout.verdicts[1:] == [(1, frail, "refused"), (2, strong, "promoted")]
    assert "ends as timeout on fresh seeds" in archive.champions(bout.run)[2].reason


def test_luck_is_rarely_promoted_and_a_lead_is(archive: Archive) -> None:
    """Ahead on the common seeds by luck alone, or better by one and a half standard deviations in truth."""
    rng = Random(5)

    def promoted(lead: float) -> bool:
        with archive.transaction():
            bout = Bout(archive, repeats=5, first=seen(*(rng.gauss() for _ in range(5))))
            digest = bout.contend(seen(*(9.0 + rng.gauss() for _ in range(5))))
            bout.review(
                lambda again: seen(*(rng.gauss(lead if again.digest == digest else 0.0) for _ in again.job.seeds))
            )
            return bout.verdicts[1][2] == "promoted"

    assert sum(promoted(0.0) for _ in range(100)) <= 8
    assert sum(promoted(1.5) for _ in range(100)) >= 80


def validating(tmp_path: Path, task: Task) -> Task:
    script = tmp_path / "evaluate.py"
    script.write_text("def evaluate(candidate): ...\n\n\ndef validate(candidate): ...\n")
    return replace(task, evaluator=script)


@pytest.mark.parametrize(("direction", "held_out", "gap"), [("maximize", 1.25, 0.75), ("minimize", 2.5, 0.5)])
def test_validate_tells_the_gap_of_a_champion(
    archive: Archive, tmp_path: Path, direction: Direction, held_out: float, gap: float
) -> None:
    bout = Bout(archive, direction=direction, first=seen(9.0 if direction == "minimize" else 1.0))
    bout.task = validating(tmp_path, bout.task)
    bout.champions = bout.opened()
    first = bout.champions.next
    assert first is not None
    assert (first.job.purpose, first.digest) == ("validate", bout.seed.digest)
    bout.champions.take(Evaluation("invalid", error="no"))
    assert bout.said == [f"validate of {bout.seed.id} ends as invalid: no"]
    digest = bout.contend(seen(2.0))
    jobs = bout.review(lambda again: Evaluation("ok", held_out, stage="validate", feedback="secret"))
    assert [job.purpose for job in jobs] == ["validate"]
    found = archive.champion(bout.run)
    assert found is not None
    assert (found.digest, found.validate_score, found.gap) == (digest, held_out, gap)
    assert bout.champions.title == found
    assert f"a gap of {gap}" in bout.said[-1]
    bout.opened()
    assert bout.champions.idle, "nothing is validated twice"


def test_a_review_that_was_cut_off_is_made_anew(archive: Archive, tmp_path: Path) -> None:
    bout = Bout(archive, first=seen(1.0))
    bout.task = validating(tmp_path, bout.task)
    bout.champions = bout.opened()
    bout.champions.take(seen(1.0))
    bout.contend(seen(3.0, fresh="fork"))
    bout.champions.advance()
    again = bout.champions.next
    assert again is not None
    bout.champions.take(seen(3.0))  # promoted; its validate is under way
    better = bout.contend(seen(4.0, fresh="fork"))
    bout.champions = bout.opened()
    jobs = bout.review(lambda again: seen(4.0 if again.digest == better else 3.0))
    assert [job.purpose for job in jobs] == ["validate", "cold", "validate"]
    assert [place for place, *_ in bout.verdicts] == [0, 1, 2]
    last = bout.contend(seen(5.0, fresh="fork"))
    bout.champions.advance()
    bout.archive.reviewed(bout.run, 3, last, "cold", 0, seen(5.0))  # and killed before the verdict
    bout.champions = bout.opened()
    assert [job.purpose for job in bout.review(lambda again: seen(5.0))] == ["cold", "validate"]
    assert bout.verdicts[3] == (3, last, "promoted")


def test_few_wait_and_they_are_the_best(archive: Archive) -> None:
    bout = Bout(archive, first=seen(1.0))
    digests = [bout.contend(seen(float(score), fresh="fork")) for score in (7, 3, 9, 5, 8, 2)]
    jobs = bout.review(lambda again: Evaluation("crash"))
    assert len(jobs) == WAITING
    assert [digest for _, digest, _ in bout.verdicts[1:]] == [digests[2], digests[4], digests[0]]
    last = [bout.contend(seen(score, fresh="fork")) for score in (20.0, 30.0)][1]
    bout.champions.narrow()
    bout.review(lambda again: Evaluation("crash"))
    assert [digest for _, digest, _ in bout.verdicts[4:]] == [last], "at the end of a run the best alone"


# ---------------------------------------------------------------------- in a run

NOISY = """\
from random import Random

from evolve import Candidate


def evaluate(candidate: Candidate, seed: int):
    value = min(float(candidate.call("total", 4)), 1e3)
    return value + Random(seed).gauss(0, 5) + Random(f"{seed} {value}").gauss(0, 1)


def validate(candidate: Candidate):
    return 271828.0
"""


@pytest.fixture
def noisy(folder: Path) -> Path:
    """A task with noise, most of it the same for all candidates on a seed."""
    (folder / "evaluate.py").write_text(NOISY)
    (folder / "task.toml").write_text('brief = "Return a large sum."\n[stages]\nrepeats = 4\n')
    return folder


def test_a_noisy_run_ends_with_a_champion_that_reviews_made(noisy: Path, tmp_path: Path) -> None:
    db, heard = tmp_path / "a.db", Heard()
    done = run(noisy, evaluations=60, seed=1, db=db, executor="inline", observers=[heard])
    with Archive(db, create=False) as archive:
        champion = archive.champion(done.name)
        assert champion is not None
        assert champion.place > 0
        assert done.best.digest == champion.digest == archive.best(5)[0].digest
        assert len({program.digest for program in archive.best(5)}) == 5
        assert done.info.best == champion.score
        assert champion.low is not None
        assert champion.low > 0
        assert archive.counted(done.name) == 60, "a review costs the budget nothing"
        assert replay(archive, done.name, load(noisy)).differences == ()
        programs = archive.best(1000)
    assert any("is the champion" in notice for notice in heard.notices)
    assert any("a gap of" in notice for notice in heard.notices)
    shown = [
        table
        for (table,) in rows(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE %'")
    ]
    holders = [
        table for table in shown if any("271828.0" in map(str, row) for row in rows(db, f'SELECT * FROM "{table}"'))
    ]
    assert sorted(holders) == ["champions", "reviews"], "what validate says is nowhere that a prompt is rendered from"
    true = {program.digest: _value(program.code) for program in programs}
    assert true[done.best.digest] >= sorted(true.values())[len(true) // 2], (
        "the champion is among the better ones in truth"
    )


def _value(code: str) -> float:
    space: dict[str, Any] = {}
    exec(code, space)
    return min(float(space["total"](4)), 1e3)


def test_the_score_of_all_is_made_on_the_same_seeds(noisy: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    for seed in (1, 2):
        run(noisy, evaluations=10, seed=seed, db=db, executor="inline")
    assert rows(db, "SELECT DISTINCT seed FROM evaluations") == [(0,)]
    used = rows(db, "SELECT DISTINCT json_extract(value, '$[0]') FROM evaluations, json_each(repeats) ORDER BY 1")
    assert used == [(0,), (1,), (2,), (3,)]
    fresh = rows(
        db, "SELECT DISTINCT json_extract(value, '$[0]') FROM reviews, json_each(repeats) WHERE purpose = 'fresh'"
    )
    assert all(seed >= 4 for (seed,) in fresh)


def test_a_loop_of_ones_own_is_reviewed_at_each_tell(noisy: Path, tmp_path: Path) -> None:
    with Search(noisy, evaluations=60, seed=1, db=tmp_path / "a.db", executor="inline") as search:
        while not search.spent():
            search.tell(search.work(search.ask()))
        best = search.best
    with Archive(tmp_path / "a.db", create=False) as archive:
        champion = archive.champion(search.name)
        assert champion is not None
        assert (champion.digest, champion.place > 0) == (best.digest, True)
        assert replay(archive, search.name, load(noisy)).differences == ()


def test_a_resumed_run_goes_on_with_its_champion(noisy: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    first = run(noisy, evaluations=40, seed=1, db=db, executor="inline")
    before = rows(db, "SELECT place, digest, verdict FROM champions ORDER BY place")
    resume(first.name, evaluations=70, db=db)
    after = rows(db, "SELECT place, digest, verdict FROM champions ORDER BY place")
    assert after[: len(before)] == before
    assert [place for place, *_ in after] == list(range(len(after)))
    with Archive(db, create=False) as archive:
        assert replay(archive, first.name, load(noisy)).differences == ()


@pytest.mark.parametrize("lucky", [True, False])
def test_a_target_is_reached_by_the_champion_not_by_luck(folder: Path, tmp_path: Path, lucky: bool) -> None:
    (folder / "task.toml").write_text('brief = "b"\n[stages]\nrepeats = 2\n')
    (folder / "evaluate.py").write_text(
        "def evaluate(candidate, seed):\n"
        f"    return float(candidate.call('total', 4)) if seed < 2 or not {lucky} else 0.0\n"
    )
    most = 60 if lucky else None
    done = run(folder, target=2.5, evaluations=most, seed=1, db=tmp_path / "a.db", executor="inline")
    assert done.reason == ("60 evaluations" if lucky else "target 2.5 reached")
    assert rows(done.db, "SELECT count(*) FROM programs WHERE score >= 2.5") > [(0,)]
    assert (done.best.score or 0.0) < 2.5 if lucky else (done.best.score or 0.0) >= 2.5


class Stamped:
    """An executor that says of each candidate but the cold ones that it was judged in a fork; some cold ones fail. From the first
    cold one on all end as ``after``, if it is given.
    """

    slots = 1

    def __init__(
        self, task: Task, cold: Callable[[Job, Evaluation], Evaluation], after: Evaluation | None = None
    ) -> None:
        self._inner = InlineExecutor(task)
        self._cold, self._after = cold, after
        self._open: list[tuple[Job, Future[Evaluation], Future[Evaluation]]] = []
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> Future[Evaluation]:
        self.jobs.append(job)
        ours: Future[Evaluation] = Future()
        self._open.append((job, self._inner.submit(job), ours))
        return ours

    def pump(self, timeout: float | None) -> None:
        self._inner.pump(timeout)
        for job, theirs, ours in [entry for entry in self._open if entry[1].done()]:
            warm = replace(theirs.result(), fresh="fork")
            said = self._cold(job, replace(warm, fresh="process")) if job.purpose == "cold" else warm
            late = any(earlier.purpose == "cold" for earlier in self.jobs[: self.jobs.index(job) + 1])
            ours.set_result(self._after if late and self._after is not None else said)
            self._open.remove((job, theirs, ours))

    def wake(self) -> None:
        self._inner.wake()

    def close(self) -> None:
        self._inner.close()


def searched(stack: ExitStack, task: Task, db: Path, executor: Stamped, heard: Heard, evaluations: int = 30) -> Loop:
    stack.callback(executor.close)
    config = Config(executor="inline", budget=BudgetConfig(evaluations=evaluations))
    archive = stack.enter_context(Archive(db))
    name = archive.create_run("r", task, 1, config.model_dump(mode="json")).name
    loop = Loop(task, archive, name, config, executor, seed=1, observers=[heard])
    start(loop, [("seed", task.initial)])
    return loop


def test_champions_of_forks_are_judged_cold_beside_the_search(task: Task, tmp_path: Path) -> None:
    with ExitStack() as stack:
        executor, heard = Stamped(task, lambda job, cold: cold), Heard()
        loop = searched(stack, task, tmp_path / "a.db", executor, heard)
        loop.evolve()
        assert loop.archive.counted("r") == 30
        cold = [place for place, job in enumerate(executor.jobs) if job.purpose == "cold"]
        assert len(cold) == len(loop.archive.champions("r")) - 1 > 0
        assert all(after - before > 1 for before, after in pairwise(cold)), "the search has its turn"
        assert loop.archive.best()[0].digest == loop.archive.champions("r")[-1].digest
        assert heard.notices == []
        assert replay(loop.archive, "r", task).differences == ()


def test_who_fails_cold_is_said_to(task: Task, tmp_path: Path) -> None:
    with ExitStack() as stack:
        executor, heard = Stamped(task, lambda job, cold: Evaluation("memory", error="2 GiB")), Heard()
        loop = searched(stack, task, tmp_path / "a.db", executor, heard)
        loop.evolve()
        found = loop.archive.champions("r")
        assert {champion.verdict for champion in found[1:]} == {"refused"}
        assert loop.archive.champion("r") == found[0]
        assert loop.archive.best()[0].digest not in {champion.digest for champion in found[1:]}, "shown to fail"
        assert loop.archive.run("r").best == loop.archive.best()[0].score
        assert {champion.cold_status for champion in found[1:]} == {"memory"}
        listed = [program.digest for program in loop.archive.best(999)]
        assert set(listed[-len(found) + 1 :]) == {champion.digest for champion in found[1:]}, "but it is not lost"
        assert any("is not the champion: memory in a cold process: 2 GiB" in notice for notice in heard.notices)


def test_a_review_on_which_evaluate_fails_is_set_aside_and_a_resume_makes_it_anew(task: Task, tmp_path: Path) -> None:
    with ExitStack() as stack:
        broken = Stamped(task, lambda job, cold: Evaluation("judge_error", error="Traceback\nevaluate.py, line 3"))
        heard = Heard()
        loop = searched(stack, task, tmp_path / "a.db", broken, heard)
        assert loop.evolve() == "30 evaluations"
        assert len(loop.archive.champions("r")) == 1
        assert len(heard.notices) == sum(job.purpose == "cold" for job in broken.jobs) > 0
        assert all(
            notice.endswith("again (cold), which is not the champion for now: evaluate.py, line 3")
            for notice in heard.notices
        )
        executor = Stamped(task, lambda job, cold: cold)
        stack.callback(executor.close)
        again = Loop(task, loop.archive, "r", loop.config, executor, seed=1)
        rebuild(again)
        assert again.evolve() == "30 evaluations"
        assert loop.archive.counted("r") == 30
        assert {job.purpose for job in executor.jobs} == {"cold"}
        assert again.champions.title == loop.archive.champion("r") != loop.archive.champions("r")[0]


def test_a_judge_that_fails_on_champions_and_children_alike_stops_the_run(task: Task, tmp_path: Path) -> None:
    with ExitStack() as stack:
        failure = Evaluation("judge_error", error="evaluate.py, line 3")
        broken = Stamped(task, lambda job, cold: cold, after=failure)
        loop = searched(stack, task, tmp_path / "a.db", broken, Heard(), 200)
        with pytest.raises(JudgeError, match=r"evaluate.py, line 3"):
            loop.evolve()
        first = next(place for place, job in enumerate(broken.jobs) if job.purpose == "cold")
        assert len(broken.jobs) - first <= STRIKES + 1, "one was handed over with it"
        assert loop.archive.counted("r") < 200
        executor = Stamped(task, lambda job, cold: cold)
        stack.callback(executor.close)
        again = Loop(task, loop.archive, "r", loop.config, executor, seed=1)
        rebuild(again)
        assert again.evolve() == "200 evaluations"


def test_a_champion_that_validate_fails_on_stays_without_its_score(folder: Path, tmp_path: Path) -> None:
    with (folder / "evaluate.py").open("a") as script:
        script.write("\ndef validate(candidate):\n    return 1 / (candidate.call('total', 4) < 2.5)\n")
    done = run(folder, evaluations=30, seed=1, db=tmp_path / "a.db", executor="inline")
    assert done.reason == "30 evaluations"
    with Archive(done.db, create=False) as archive:
        first, *later = archive.champions(done.name)
        assert later
        assert first.validate_score is not None
        assert {(one.verdict, one.validate_score) for one in later} == {("promoted", None)}
        said = {one.about: one.words for one in doubts(gather(archive, done.name))}
        assert said["held out"].startswith("`validate` has not judged it")


def test_a_loop_of_ones_own_can_go_on_after_a_judge_error_in_a_review(task: Task, tmp_path: Path) -> None:
    answers = [Evaluation("judge_error", error="evaluate.py, line 3")]
    with ExitStack() as stack:
        executor = Stamped(task, lambda job, cold: answers.pop() if answers else cold)
        loop = searched(stack, task, tmp_path / "a.db", executor, Heard(), 60)
        while not answers or loop.champions.idle:
            loop.tell(loop.work(loop.ask()))
        with pytest.raises(JudgeError):
            loop.judging.review()
        loop.judging.review()
        assert loop.champions.idle
        assert [found.verdict for found in loop.archive.champions("r")] == ["promoted", "promoted"]
        spent = {item.arm: (item.evaluations, item.counted) for item in loop.archive.spend("r")}
        assert spent["review"] == (1, 0)


def test_ctrl_c_begins_no_review(task: Task, tmp_path: Path) -> None:
    with ExitStack() as stack:
        executor, heard = Stamped(task, lambda job, cold: cold), Heard()
        loop = searched(stack, task, tmp_path / "a.db", executor, heard)
        loop.observers = (lambda attempt: loop.drain("interrupted") if loop.champions.next else None,)
        assert loop.evolve() == "interrupted"
        assert [job.purpose for job in executor.jobs].count("cold") <= 1
        assert len(loop.archive.champions("r")) == 1
        again = Loop(task, loop.archive, "r", loop.config, executor, seed=1)
        rebuild(again)
        again.evolve()
        assert len(loop.archive.champions("r")) > 1


def test_jailed_slots_judge_the_champions_of_forks_cold(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    done = run(folder, evaluations=40, seed=2, db=db, slots=2)
    forked = rows(
        db,
        "SELECT DISTINCT c.digest FROM champions AS c JOIN evaluations AS e ON e.run = c.run AND e.digest = c.digest "
        "WHERE c.place > 0 AND e.fresh = 'fork' ORDER BY 1",
    )
    assert rows(db, "SELECT digest FROM reviews WHERE purpose = 'cold' AND fresh = 'process' ORDER BY 1") == forked
    assert rows(db, "SELECT count(*) FROM champions AS c WHERE verdict = 'refused' OR cold_score <> "
                "(SELECT score FROM programs AS p WHERE p.run = c.run AND p.digest = c.digest)") == [(0,)]  # fmt: skip
    with Archive(db, create=False) as archive:
        found = archive.champion(done.name)
        assert found is not None
        assert found.digest == done.best.digest
        assert archive.counted(done.name) == 40
        assert replay(archive, done.name, load(folder)).differences == ()


# ---------------------------------------------------------------------- what people see


def said(db: Path, *words: str) -> str:
    result = CliRunner().invoke(main, words, env={"EVOLVE_DB": str(db)})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_listings_and_copies_tell_of_champions(archive: Archive, tmp_path: Path) -> None:
    bout = Bout(archive, repeats=2, first=seen(1.0, 1.0))
    bout.task = validating(tmp_path, bout.task)
    bout.champions = bout.opened()
    digest = bout.contend(seen(2.0, 2.0, fresh="fork"))
    lucky = bout.contend(seen(9.0, 9.0))

    def judged(again: Again) -> Evaluation:
        if again.job.purpose == "cold":
            return seen(2.5, 2.5)
        if again.job.purpose == "validate":
            return Evaluation("ok", 0.5, stage="validate")
        return seen(*((2.0, 2.0) if again.digest == digest else (1.0, 1.0)), first=again.job.seed)

    bout.review(judged)
    write_database(archive, bout.run, tmp_path / "copy.db")
    for db in (archive.path, tmp_path / "copy.db"):
        first, second, _ = json.loads(said(db, "best", "--json"))
        assert (first["id"], first["champion"]["gap"], first["champion"]["cold_difference"]) == (digest[:10], 1.5, 0.5)
        assert (second["id"], second["champion"]["verdict"]) == (lucky[:10], "refused")
        listed = said(db, "best").splitlines()
        assert "champion, promoted: better by 1 (1 at least) on 4 fresh seeds; +0.5 in a cold process" in listed[1]
        assert "refused: not shown to be better on 2 fresh seeds" in listed[2]
        assert "validate 0.5, a gap of 1.5" in said(db, "show")
        assert json.loads(said(db, "show", "--json"))["champion"]["validate_score"] == 0.5
        assert json.loads(said(db, "runs", "--json"))[0]["best"] == 2.0


def test_a_target_is_reached_by_the_worse_of_two_scores(task: Task, tmp_path: Path) -> None:
    with ExitStack() as stack:
        executor = Stamped(task, lambda job, cold: replace(cold, score=(cold.score or 0.0) / 2.0))
        loop = searched(stack, task, tmp_path / "a.db", executor, Heard())
        loop.budget.limits = loop.budget.limits.model_copy(update={"target": 2.1})
        assert loop.evolve() == "30 evaluations"
        assert loop.champions.title is not None
        assert loop.champions.title.cold_score == loop.champions.score()
        assert loop.budget.best is not None
        assert loop.budget.best > 2.1


def test_a_target_is_not_reached_by_who_fails_cold(task: Task, tmp_path: Path) -> None:
    with ExitStack() as stack:
        executor = Stamped(task, lambda job, cold: Evaluation("crash", error="boom"))
        loop = searched(stack, task, tmp_path / "a.db", executor, Heard())
        loop.budget.limits = loop.budget.limits.model_copy(update={"target": 2.1})
        assert loop.evolve() == "30 evaluations"
        assert loop.budget.best is not None
        assert loop.budget.best > 2.1
