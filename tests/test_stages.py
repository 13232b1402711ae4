"""What candidates go through: the screen and its audits, the race, and what a full disk does to a run."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.api import Search, resume, run
from evolve.archive import Archive
from evolve.arms import without_models
from evolve.config import BudgetConfig, Config
from evolve.errors import ArchiveError
from evolve.evaluator import has_validate
from evolve.executor import InlineExecutor
from evolve.loop import Loop
from evolve.rebuild import rebuild
from evolve.records import Draft, Evaluation, Job, Proposal, Task
from evolve.replay import replay
from evolve.seams import Operator, Points
from evolve.session import Session, created, reopened, start
from evolve.stages import FEWEST, WINDOW, Screen
from evolve.task import load
from tests import archives
from tests.archives import rows

SCREENED = """\
from evolve import Candidate


def screen(candidate: Candidate):
    return float(candidate.call("total", 3))


def evaluate(candidate: Candidate, seed: int):
    return min(float(candidate.call("total", 4)), 1e6)
"""


@pytest.fixture
def screened(folder: Path) -> Path:
    """A task with a screen that is a good guide, and frequent audits."""
    (folder / "evaluate.py").write_text(SCREENED)
    (folder / "task.toml").write_text('brief = "b"\n[stages]\nscreen_keep = 0.5\nscreen_audit = 0.2\n')
    return folder


class Recorder(InlineExecutor):
    """An inline executor that keeps its jobs."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> Future[Evaluation]:
        self.jobs.append(job)
        return super().submit(job)


class Grow:
    """An arm whose children are better and better."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        text = f"# EVOLVE-BLOCK-START\ndef total(n):\n    return {10 + proposal.number}\n# EVOLVE-BLOCK-END\n"
        return Draft({"initial.py": text})


class Wander:
    """An arm whose children are as good as chance has it, each with two points beside it."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        return self._at(Random(proposal.seed))

    def points(self, proposal: Proposal, task: Task, child: Draft, evaluation: Evaluation) -> Points:
        rng = Random(proposal.seed + 1)
        for _ in range(2):
            yield self._at(rng)

    def _at(self, rng: Random) -> Draft:
        text = f"# EVOLVE-BLOCK-START\ndef total(n):\n    return {rng.random()}\n# EVOLVE-BLOCK-END\n"
        return Draft({"initial.py": text})


def searched(
    stack: ExitStack, task: Task, db: Path, evaluations: int, seed: int = 1, operator: Operator | None = None
) -> tuple[Loop, Recorder]:
    executor = Recorder(task)
    stack.callback(executor.close)
    config = Config(executor="inline", budget=BudgetConfig(evaluations=evaluations))
    archive = stack.enter_context(Archive(db))
    name = archive.create_run("r", task, seed, config.model_dump(mode="json")).name
    arms = None if operator is None else without_models({"arm": operator}, {"arm": 1.0})
    loop = Loop(task, archive, name, config, executor, seed=seed, arms=arms)
    start(loop, [("seed", task.initial)])
    return loop, executor


# ---------------------------------------------------------------------- the bar


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=FEWEST, max_size=300), st.floats(0.05, 0.99), st.sampled_from([1.0, -1.0])
)
def test_the_bar_lets_its_share_of_the_latest_pass(scores: list[float], keep: float, sign: float) -> None:
    screen = Screen(sign, keep)
    for score in scores:
        screen.add(score)
    latest, bar = scores[-WINDOW:], screen.bar
    assert bar in latest
    passing = sum(sign * score >= sign * bar for score in latest)
    better = sum(sign * score > sign * bar for score in latest)
    assert better < keep * len(latest) <= passing


def test_there_is_no_bar_at_first_and_none_where_all_are_kept() -> None:
    screen = Screen(1.0, 0.5)
    for score in range(FEWEST - 1):
        screen.add(score)
        screen.add(None)
        assert screen.bar is None
    screen.add(100.0)
    assert screen.bar == 5.0
    assert Screen(1.0, 1.0, map(float, range(50))).bar is None


def test_a_validate_is_found_without_running_the_script(task: Task, tmp_path: Path) -> None:
    script = tmp_path / "evaluate.py"
    texts = {
        "def evaluate(c): ...\ndef validate(c): ...\n": True,
        "def evaluate(c): ...\nclass A:\n    def validate(self): ...\n": False,
        "raise SystemExit\ndef validate(c): ...\n": True,
        "try:\n    from held_out import validate\nexcept ImportError:\n    pass\n": True,
        "if True:\n    def validate(c): ...\n": True,
        "validate = lambda c: 1.0\n": True,
        "def f():\n    validate = 1\n": False,
        "def validate(:\n": False,
        "\0": False,
    }
    for text, found in texts.items():
        script.write_text(text)
        assert has_validate(replace(task, evaluator=script)) == found, text
    assert not has_validate(replace(task, evaluator=Path()))


# ---------------------------------------------------------------------- in a run


def test_what_the_screen_holds_back_ends_there(screened: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    with ExitStack() as stack:
        loop, _ = searched(stack, load(screened), db, 90, operator=Wander())
        loop.evolve()
        archive = loop.archive
        assert archive.counted("r") == 90
        assert all(program.score is not None for program in archive.best(500))
        assert all(elite.score is not None for island in loop.state.islands for elite in island.elites)
        digest = rows(db, "SELECT digest FROM programs WHERE status = 'ok' AND score IS NULL")[0][0]
        assert archive.known("r", digest) is not None, "it is not judged again"
        assert any(failure.how == "judge" for failure in archive.failures("r", 500))
    held = "FROM evaluations WHERE stage = 'screen' AND status = 'ok'"
    assert rows(db, f"SELECT count(*) {held} AND score IS NULL AND error LIKE 'held back%' AND screen < bar")[0][0] > 10
    assert rows(db, f"SELECT count(*) {held} AND (score IS NOT NULL OR bar IS NULL)") == [(0,)]
    ended = "FROM attempts AS a JOIN evaluations AS e ON e.attempt = a.number AND e.point = 0 WHERE e.stage = 'screen'"
    assert rows(db, f"SELECT count(*) {ended}")[0][0] > 5
    assert rows(db, f"SELECT count(*) {ended} AND (a.stage IS NOT 'judge' OR a.reason <> e.error)") == [(0,)]
    points = "SELECT count(*) FROM evaluations AS f WHERE f.attempt = a.number"
    assert rows(db, f"SELECT DISTINCT ({points}) {ended}") == [(1,)], "nothing is tuned that was held back"


def test_the_archive_tells_what_the_screen_did(screened: Path, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    done = run(screened, evaluations=80, seed=1, db=db, executor="inline")
    with Archive(db, create=False) as archive:
        found = archive.screening(done.name)
        assert found is not None
        assert min(found.passed, found.held_back, found.audited) > 0
        assert found.passed + found.held_back + found.audited == 80
        assert 0 <= found.better_than_best <= found.better_than_parent <= found.audited
        assert replay(archive, done.name, load(screened)).differences == ()


def test_audits_find_the_mistakes_of_a_bad_screen(screened: Path, tmp_path: Path) -> None:
    text = SCREENED.replace("return float(candidate", "return -float(candidate")
    (screened / "evaluate.py").write_text(text)
    (screened / "task.toml").write_text('brief = "b"\n[stages]\nscreen_keep = 0.5\nscreen_audit = 0.5\n')
    done = run(screened, evaluations=150, seed=1, db=tmp_path / "a.db", executor="inline")
    with Archive(tmp_path / "a.db", create=False) as archive:
        screening = archive.screening(done.name)
    assert screening is not None
    assert screening.better_than_best > 0


def test_audits_are_decided_by_the_attempt_alone(screened: Path, tmp_path: Path) -> None:
    jobs = []
    for place in ("a.db", "b.db"):
        with ExitStack() as stack:
            loop, executor = searched(stack, load(screened), tmp_path / place, 60)
            loop.evolve()
            jobs.append(executor.jobs)
            number = {f"r/{a.proposal.number}": a.proposal.seed for a in loop.archive.history("r")}
    assert jobs[0] == jobs[1]
    judged = [job for job in jobs[0] if job.bar is not None]
    assert len(judged) > 20
    for job in judged:
        attempt, point = job.id.rsplit("/", 1)
        assert job.audit == (Random(f"{number[attempt]}/{point}/audit").random() < 0.2)


def test_a_resumed_run_knows_the_latest_screens(screened: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        task = load(screened)
        loop, _ = searched(stack, task, tmp_path / "a.db", 60)
        loop.evolve()
        executor = Recorder(task)
        stack.callback(executor.close)
        fresh = Loop(task, loop.archive, "r", loop.config, executor, seed=1)
        rebuild(fresh)
        assert fresh.jobs.screen.bar == loop.jobs.screen.bar is not None


def test_a_child_held_back_and_never_told_is_not_tuned_by_a_resume(screened: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        task = load(screened)
        loop, _ = searched(stack, task, tmp_path / "a.db", 400)
        loop.jobs.screen = Screen(1.0, 0.5, [1e9] * 20)
        asked = loop.ask()
        while loop.work(asked).stage != "judge":
            asked = loop.ask()
        before = loop.archive.counted("r")
        executor = Recorder(task)
        stack.callback(executor.close)
        fresh = Loop(task, loop.archive, "r", loop.config, executor, seed=1)
        rebuild(fresh)
        assert loop.archive.attempt("r", asked.number).stage == "judge"
        assert loop.archive.counted("r") == before


def test_all_see_the_same_seeds_and_race_the_champion(folder: Path, tmp_path: Path) -> None:
    (folder / "task.toml").write_text('brief = "b"\n[stages]\nrepeats = 3\n')
    for seed in (1, 99):
        with ExitStack() as stack:
            loop, executor = searched(stack, load(folder), tmp_path / f"{seed}.db", 9, seed, Grow())
            loop.evolve()
            children = [job for job in executor.jobs if job.purpose in ("seed", "child", "tune")]
            assert {job.seeds for job in children} == {(0, 1, 2)}
            assert children[0].rival == ()
            assert children[1].rival == (2.0, 2.0, 2.0), "the scores of the seed program"
            assert children[-1].rival >= (13.0, 13.0, 13.0), "of a child that was promoted meanwhile"


def test_on_one_seed_there_is_no_race(folder: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        loop, executor = searched(stack, load(folder), tmp_path / "a.db", 20)
        loop.evolve()
        assert {(job.seeds, job.rival, job.bar, job.audit) for job in executor.jobs} == {((0,), (), None, False)}


def test_prompts_say_that_a_child_was_held_back(tmp_path: Path) -> None:
    with Archive(tmp_path / "a.db") as archive:
        name = archives.begin(archive)
        seen = Evaluation("ok", stage="screen", screen=1.0, error="held back by the screen")
        attempt = archives.judge(archives.drafted(1, archives.seed(), "x = 1"), seen)
        attempt.stage, attempt.reason = "judge", seen.error
        archives.tell(archive, name, attempt)
        told = archive.background(name, archives.proposal(2, archives.seed())).tried
        assert [(one.how, one.reason, one.score) for one in told] == [("screened out", "held back by the screen", None)]


# ---------------------------------------------------------------------- a full disk


def crowded(session: Session, pages: int) -> None:
    """Search where the archive can grow by so many pages and no more."""
    (there,) = session.archive._one("PRAGMA page_count")
    session.archive._one(f"PRAGMA max_page_count = {there + pages}")
    session.evolve()


def test_a_full_disk_ends_a_run_that_resume_goes_on_with(folder: Path, tmp_path: Path) -> None:
    db, flags = tmp_path / "a.db", {"budget": {"evaluations": 200}, "executor": "inline"}
    full = r"cannot grow: the disk is full; make room and run `evolve resume`"
    with pytest.raises(ArchiveError, match=full), created(folder, flags=flags, seed=1, name="r", db=db) as session:
        crowded(session, 12)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        (made,) = connection.execute("SELECT count(*) FROM evaluations WHERE purpose <> 'seed'").fetchone()
    assert 0 < made < 200
    with pytest.raises(ArchiveError, match=full), reopened("r", db=db) as session:
        crowded(session, 0)
    assert resume("r", db=db).info.evaluations == 200
    with Archive(db, create=False) as archive:
        assert replay(archive, "r", load(folder)).differences == ()


def test_a_search_of_ones_own_on_a_full_disk(folder: Path, tmp_path: Path) -> None:
    def fill(search: Search) -> None:
        while not search.spent():
            search.tell(search.work(search.ask()))

    search = Search(folder, evaluations=150, seed=1, db=tmp_path / "a.db", executor="inline")
    search._session.archive._one("PRAGMA max_page_count = 60")
    with pytest.raises(ArchiveError, match="the disk is full"):
        fill(search)
    search.close()
    assert resume(search.name, db=tmp_path / "a.db").info.evaluations == 150
