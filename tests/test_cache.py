"""The cache: what the archive knows is not judged again, costs nothing, and changes nothing in the course of a search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.api import Search, optimize, resume, run
from evolve.archive import MIXED, Archive
from evolve.config import BudgetConfig, Config
from evolve.executor import InlineExecutor
from evolve.judge import Candidate
from evolve.loop import Loop
from evolve.rebuild import rebuild
from evolve.records import Evaluation, Level, Repeat, Resources, Stages, Status, Task
from evolve.replay import replay
from evolve.session import start
from evolve.stages import Jobs, environment
from evolve.task import load
from tests import archives


def count(db: Path, sql: str) -> int:
    with Archive(db, create=False) as archive:
        (found,) = archive._one(sql)
        return int(found)


def test_a_second_run_finds_all_that_the_first_one_judged_and_goes_on(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    first = run(folder, evaluations=40, seed=2, db=db, executor="inline")
    second = run(folder, evaluations=15, seed=2, db=db, executor="inline")
    alone = run(folder, evaluations=55, seed=2, db=tmp_path / "b.db", executor="inline")
    again = f"SELECT count(*) FROM evaluations WHERE run = '{second.name}' AND cached"
    assert count(db, f"{again} AND purpose = 'seed'") == 1
    judged = f"SELECT count(DISTINCT digest) FROM evaluations WHERE run = '{first.name}'"
    found = f"SELECT count(DISTINCT digest) FROM evaluations WHERE run = '{second.name}' AND cached"
    assert count(db, judged) == count(db, found), "all of the first run is found"
    assert (first.info.evaluations, second.info.evaluations) == (40, 15)
    with Archive(db, create=False) as archive, Archive(tmp_path / "b.db", create=False) as other:
        made = [[p.digest for p in a.best(99, name)] for a, name in ((archive, second.name), (other, alone.name))]
        assert made[0] == made[1], "the search takes the same course, whatever the archive knows"
        counted = [sum(item.counted for item in archive.spend(name)) for name in (first.name, second.name)]
        assert counted == [40, 15]
        assert archive.counted(second.name) == 15
        assert sum(attempt.cost.evaluations for attempt in archive.history(second.name)) == 15
        assert sum(item.seconds for item in archive.spend(second.name)) < sum(
            item.seconds for item in archive.spend(first.name)
        )
        for name in (first.name, second.name):
            assert replay(archive, name, load(folder)).differences == ()


def test_a_resumed_run_counts_what_was_judged_alone(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    run(folder, evaluations=20, seed=2, db=db, executor="inline")
    second = run(folder, evaluations=5, seed=2, db=db, executor="inline")
    more = resume(second.name, evaluations=12, db=db)
    assert more.info.evaluations == 12
    with Archive(db, create=False) as archive:
        assert archive.counted(second.name) == 12
        assert replay(archive, second.name, load(folder)).differences == ()


def test_a_run_that_began_on_another_seed_stays_on_it(folder: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    made = run(folder, evaluations=10, seed=2, db=db, executor="inline")
    with Archive(db) as archive, archive.transaction():
        archive._run("UPDATE evaluations SET seed = 2, fresh = 'fork'")  # as runs once began on their own seed
        archive._run("DELETE FROM champions")
    resume(made.name, evaluations=20, db=db)
    assert count(db, "SELECT count(*) FROM evaluations WHERE seed = 2") == 21
    assert count(db, "SELECT count(*) FROM reviews WHERE seed = 2 AND purpose = 'cold'") > 0
    assert count(db, "SELECT count(*) FROM reviews WHERE seed <> 2 AND purpose = 'cold'") == 0


def test_a_run_cut_off_among_cached_points_counts_right(folder: Path, tmp_path: Path) -> None:
    db, task = tmp_path / "a.db", load(folder)
    run(folder, evaluations=60, seed=2, db=db, executor="inline")
    with Search(folder, evaluations=70, seed=2, db=db, executor="inline") as search:
        attempt = search.work(search.ask())  # judged, and never told
        assert {point.evaluation.cached for point in attempt.points} == {True, False}
    with Archive(db) as archive:
        made = archive.counted(search.name)
        assert len(archive.pending(search.name)) == 1
        config = Config(executor="inline", budget=BudgetConfig(evaluations=made + 20))
        executor = InlineExecutor(task)
        loop = Loop(task, archive, search.name, config, executor, seed=2, level="none")
        rebuild(loop)
        assert loop.budget.evaluations == made
        assert loop.evolve() == f"{made + 20} evaluations"
        executor.close()
        assert archive.counted(search.name) == made + 20
        assert loop.budget.reserved == 0


def test_the_text_of_a_function_does_not_say_all_that_its_scores_depend_on(tmp_path: Path) -> None:
    for target in (2.0, 50.0):

        def closeness(candidate: Candidate, target: float = target) -> float:
            return -abs(float(candidate.call("guess")) - target)

        found = optimize(
            "def guess():\n    return 1.0\n",
            closeness,
            evaluations=1,
            seed=0,
            db=tmp_path / "a.db",
            settings={"slots": 1, "isolation": "none"},
        )
        with Archive(found.db, create=False) as archive:
            ((seed, _),) = archive.seeds(found.name)
            assert seed.score == 1.0 - target
    assert count(found.db, "SELECT count(*) FROM evaluations WHERE cached") == 0


def test_no_cache_where_it_is_switched_off(folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        done = run(folder, evaluations=10, seed=2, db=tmp_path / "a.db", executor="inline", settings={"cache": False})
    assert count(tmp_path / "a.db", "SELECT count(*) FROM evaluations WHERE cached") == 0
    assert done.info.evaluations == 10


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        yield opened


def kept(archive: Archive, seen: Evaluation, code: str = "y", seed: int = 0) -> str:
    """Store an evaluation in a run of its own and return the digest of its program."""
    name = archive.create_run(None, archives.task(), 5, {}).name
    archive.seeded(name, archives.seed(), Evaluation("ok", 1.0), 0)
    attempt = archives.judge(archives.drafted(1, archives.seed(), code), seen)
    archive.drafted(name, replace(attempt, points=[], program=None))
    archive.judged(name, attempt, 0, "child", seed)
    return archives.digest(code)


def known(archive: Archive, digest: str, level: Level = "none", task: Task | None = None) -> Evaluation | None:
    return Jobs(archive, "another", task or archives.task(), level).known(digest)


@pytest.mark.parametrize(
    ("status", "found"),
    [("ok", True), ("invalid", True), ("crash", True), ("protocol", True), ("timeout", False), ("memory", False),
     ("gpu_memory", False), ("judge_error", False)],
)  # fmt: skip
def test_what_depends_on_the_machine_is_judged_again(archive: Archive, status: Status, found: bool) -> None:
    seen = Evaluation(status, 2.0 if status == "ok" else None, feedback="f", seconds=3.0, cpu_seconds=2.0, memory=7)
    hit = known(archive, kept(archive, seen))
    assert (hit is not None) == found
    if hit is not None:
        assert hit == replace(seen, cached=True, seconds=0.0, cpu_seconds=None)


def test_a_hit_is_of_the_same_task_on_the_same_seeds(archive: Archive) -> None:
    digest = kept(archive, Evaluation("ok", 2.0))
    other = kept(archive, Evaluation("ok", 2.0), "z", seed=1)
    assert known(archive, digest) is not None
    assert known(archive, other) is None
    assert known(archive, digest, task=replace(archives.task(), digest="u" * 64)) is None
    assert known(archive, digest, task=replace(archives.task(), stages=Stages(repeats=2))) is None
    assert known(archive, digest, task=replace(archives.task(), resources=Resources(exclusive=True))) is None


def test_a_race_that_ended_early_is_no_hit(archive: Archive) -> None:
    several = replace(archives.task(), stages=Stages(repeats=3))
    repeats = tuple(Repeat(seed, 1.0, 0.1) for seed in range(3))
    whole = kept(archive, Evaluation("ok", 1.0, repeats=repeats), "whole")
    part = kept(archive, Evaluation("ok", 1.0, repeats=repeats[:2]), "part")
    screened = kept(archive, Evaluation("ok", stage="screen", screen=1.0, error="held back"), "screened")
    hits = [known(archive, digest, task=several) for digest in (whole, part, screened)]
    assert [hit and hit.repeats for hit in hits] == [repeats, None, None]
    assert known(archive, screened) is None


def test_a_weaker_jail_is_no_hit(archive: Archive) -> None:
    levels: tuple[Level, ...] = ("namespaces", "landlock", "rlimits", "none")
    digests = [kept(archive, Evaluation("ok", 1.0, isolation=level), level) for level in levels]
    hits = {run: [known(archive, digest, run) is not None for digest in digests] for run in levels}
    assert hits == {
        "namespaces": [True, True, False, False],
        "landlock": [True, True, False, False],
        "rlimits": [True, True, True, False],
        "none": [True, True, True, True],
    }


def test_what_was_cached_is_no_source_itself(archive: Archive) -> None:
    assert known(archive, kept(archive, Evaluation("ok", 1.0, cached=True))) is None


def test_other_versions_are_another_matter(archive: Archive) -> None:
    digest = kept(archive, Evaluation("ok", 2.0))
    run = archive.create_run("another", archives.task(), 5, {}, environment="python 3.99").name
    assert known(archive, digest) is None
    archive.resume_run(run, {}, environment="python 3.100")
    assert archive.environment(run) == MIXED
    assert known(archive, digest) is None
    assert environment(archives.task()).startswith("python 3.")
    jobs = Jobs(archive, archive.create_run("third", archives.task(), 5, {}).name, archives.task(), "none")
    assert jobs.known(digest) is not None
    archive.resume_run("third", {}, environment="python 3.100")
    jobs.recall()
    assert jobs.known(digest) is None, "versions are taken note of when a sitting begins"


def test_the_lookup_uses_its_index(archive: Archive) -> None:
    digest = kept(archive, Evaluation("ok", 2.0))
    statements: list[str] = []
    archive._connection.set_trace_callback(statements.append)
    known(archive, digest)
    archive._connection.set_trace_callback(None)
    lookup = next(text for text in statements if "evaluations" in text)
    plan = [row[3] for row in archive._all(f"EXPLAIN QUERY PLAN {lookup}")]
    assert "SEARCH e USING INDEX evaluations_cache (digest=? AND task_digest=? AND seed=?)" in plan
    assert [step for step in plan if step.startswith("SCAN") and "json_each" not in step] == []


def test_a_seed_program_that_another_run_judged_is_not_judged_again(folder: Path, tmp_path: Path) -> None:
    db, task = tmp_path / "a.db", load(folder)
    run(folder, evaluations=3, seed=2, db=db, executor="inline")
    (folder / "evaluate.py").write_text("raise SystemExit('not called')\n")
    with Archive(db) as archive:
        config = Config(executor="inline")
        same = environment(task)
        name = archive.create_run(None, task, 0, config.model_dump(mode="json"), environment=same).name
        executor = InlineExecutor(task)
        loop = Loop(task, archive, name, config, executor, seed=0, level="none")
        start(loop, [("seed", task.initial)])
        executor.close()
        assert archive.seeds(name)[0][1].cached
