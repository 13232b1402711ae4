"""How a run went, as the archive tells it: against what was told, one by one."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.archive import Archive, Champion, Moment
from evolve.archive.progress import BESTS, ENDS, JUDGED, PAID
from evolve.archive.reviews import Verdict
from evolve.errors import ArchiveError
from evolve.records import Attempt, Direction, Evaluation, Reply
from tests import archives


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        yield opened


def scored(number: int, score: float | None, arm: str = "builtin/mutate") -> Attempt:
    """Return an attempt on the seed whose child has a score, or crashed."""
    seen = Evaluation("crash") if score is None else Evaluation("ok", score)
    return archives.judge(archives.drafted(number, archives.seed(), f"x = {number}\n", arm=arm), seen)


def tell(archive: Archive, run: str, attempt: Attempt, order: int) -> None:
    """Tell an attempt out of turn."""
    archive.drafted(run, replace(attempt, points=[], program=None, gain=None))
    archive.judged(run, attempt, 0, "child", 11)
    archive.told(run, attempt, order)


def test_a_run_is_told_attempt_by_attempt(archive: Archive) -> None:
    run = archives.fill(archive)
    moments = archive.progress(run)
    assert [moment.told for moment in moments] == [0, 1, 2, 3, 4, 5]
    assert [moment.score for moment in moments] == [1.0, 2.0, 4.0, None, None, 3.0]
    assert [moment.best for moment in moments] == [1.0, 2.0, 4.0, 4.0, 4.0, 4.0]
    assert [moment.evaluations for moment in moments] == [0, 1, 2, 3, 3, 4]
    assert [moment.status for moment in moments] == ["ok", "ok", "ok", "crash", None, "ok"]
    assert [moment.arm for moment in moments][:3] == ["seed", "builtin/mutate", "builtin/tune"]
    second = archives.digest("def leaky_relu(x):\n    return max(x, 0.1 * x)\n")
    assert [moment.leader for moment in moments][2:] == [second] * 4
    assert moments[2].digest == second
    assert moments[4].digest is None
    assert all(moment.dollars == 0.0 and moment.tokens == 0 for moment in moments)


def test_where_less_is_better_the_best_falls(archive: Archive) -> None:
    run = archives.begin(archive, direction="minimize")
    for number, score in enumerate((2.0, 0.5, 0.75), 1):
        archives.tell(archive, run, scored(number, score))
    assert [moment.best for moment in archive.progress(run)] == [1.0, 1.0, 0.5, 0.5]


def test_a_run_that_only_began_has_one_moment(archive: Archive) -> None:
    run = archives.begin(archive)
    (moment,) = archive.progress()
    assert moment == Moment(
        0, 0, "seed", archives.digest("seed"), "ok", 1.0, 0, 0.0, 0, 0.0, 1.0, archives.digest("seed")
    )
    archive.create_run("empty", archives.task(), 5, {})
    (nothing,) = archive.progress("empty")
    assert (nothing.best, nothing.leader, nothing.score) == (None, None, None)
    assert archive.progress(run) == [moment]
    with pytest.raises(ArchiveError, match="no run 'other'"):
        archive.progress("other")


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_fewer_moments_are_the_same_moments(archive: Archive, direction: Direction) -> None:
    rng = random.Random(direction)
    run = archives.begin(archive, direction=direction)
    order = list(range(1, 48))
    rng.shuffle(order)
    with archive.transaction():
        for told, number in enumerate(order, 1):
            score = rng.choice([None, rng.uniform(-5, 5)])
            tell(archive, run, scored(number, score), told)
    everything = archive.progress(run, most=None)
    assert [moment.number for moment in everything] == [0, *order]
    better = max if direction == "maximize" else min
    for told in range(1, 48):
        known = [one.score for one in everything[: told + 1] if one.score is not None]
        assert everything[told].best == better(known)
        assert everything[told].evaluations == told
    assert everything[-1].best == archive.run(run).best
    by_told = {moment.told: moment for moment in everything}
    for most in (1, 5, 10, 46, 47, 1000):
        fewer = archive.progress(run, most=most)
        assert len(fewer) <= most + 2
        assert [moment.told for moment in (fewer[0], fewer[-1])] == [0, 47]
        assert fewer == [by_told[moment.told] for moment in fewer]


def test_dollars_count_uncertain_calls_and_end_where_a_price_is_unknown(archive: Archive) -> None:
    run = archives.begin(archive)
    for number in (1, 2, 3, 4):
        archive.asked(run, archives.proposal(number, archives.seed()))
    archive.replied(run, archives.call(1), Reply("a", "stop", 10, 5, dollars=0.25), 15)
    archive.failed(run, archives.call(2), "broken", status=None, uncertain=True, seconds=1.0)
    archive.replied(run, archives.call(3), Reply("a", "stop", 10, 5, dollars=None), 20)
    archive.replied(run, archives.call(4), Reply("a", "stop", 10, 5, dollars=0.25), 15)
    for number in (1, 2, 3, 4):
        archives.tell(archive, run, scored(number, 1.0))
    assert [moment.dollars for moment in archive.progress(run)] == [0.0, 0.25, 0.75, None, None]
    assert [moment.tokens for moment in archive.progress(run)] == [0, 15, 115, 135, 150]
    assert [moment.dollars for moment in archive.progress(run, most=2)] == [0.0, 0.75, None]


def test_hours_leave_out_the_time_between_sittings(archive: Archive) -> None:
    run = archives.begin(archive)
    for number in (1, 2):
        archives.tell(archive, run, scored(number, 1.0))
    archive.finish(run, "stopped", "interrupted", 7200.0)
    archive.resume_run(run, {})
    for number in (3, 4):
        archives.tell(archive, run, scored(number, 1.0))
    began = 1_000_000.0
    archive._run("UPDATE runs SET created = ?", (began,))
    archive._run("UPDATE sittings SET began = ? WHERE place = 1", (began + 100 * 3600,))
    for order, hours in enumerate((1, 2, 101, 100.5), 1):
        archive._run("UPDATE attempts SET told_at = ? WHERE told_order = ?", (began + hours * 3600, order))
    assert [moment.hours for moment in archive.progress(run)] == [0.0, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("repeats", "verdict", "bests"), [(1, "refused", [1.0, 2.0, 2.0, 3.0]), (3, "promoted", [1.0, 1.0, 4.0, 4.0])]
)
def test_the_best_is_what_verdicts_leave(archive: Archive, repeats: int, verdict: Verdict, bests: list[float]) -> None:
    run = archives.begin(archive)
    archive._run("UPDATE runs SET repeats = ?", (repeats,))
    archive.decided(run, Champion(0, archives.digest("seed"), None, "promoted", "", score=1.0), 0.0)
    for number, score in enumerate((2.0, 4.0, 3.0), 1):
        archives.tell(archive, run, scored(number, score))
    archive.decided(run, Champion(1, archives.digest("x = 2\n"), None, verdict, "", score=4.0), 0.0)
    moments = archive.progress(run)
    assert [moment.best for moment in moments] == bests
    assert moments[-1].best == archive.run(run).best
    assert [moment.score for moment in moments] == [1.0, 2.0, 4.0, 3.0]


def test_attempts_that_are_not_told_cost_nothing_yet(archive: Archive) -> None:
    run = archives.begin(archive)
    archives.tell(archive, run, scored(1, 2.0))
    pending = scored(2, 9.0)
    archive.drafted(run, replace(pending, points=[], program=None, gain=None))
    archive.judged(run, pending, 0, "child", 11)
    (_, last) = archive.progress(run)
    assert (last.evaluations, last.best) == (1, 2.0)


@pytest.mark.parametrize("sql", [ENDS, BESTS.format(best="max", among="NOT IN"), JUDGED, PAID])
def test_no_query_scans_a_table(archive: Archive, sql: str) -> None:
    archives.fill(archive)
    values = {"run": "sphere-1", "stride": 1, "told": 5, "verdict": "refused"}
    plan = [row[3] for row in archive._all(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert plan
    assert not [step for step in plan if step.startswith("SCAN")], plan
