"""The archive: what goes in comes out, whatever happens to the process in between."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve import resources
from evolve.archive import Archive, database
from evolve.archive.export import TABLES
from evolve.archive.lock import locked
from evolve.archive.questions import BEST, LINE, RUN
from evolve.archive.reviews import CONTENDERS, VERDICTS
from evolve.archive.rows import load_metrics
from evolve.errors import ArchiveError
from evolve.records import Artifact, Direction, Draft, Evaluation, Metric, Point
from tests import archives, strategies

OLD: dict[str, tuple[object, ...]] = {
    "runs": ("r", "sphere", "", "t", "maximize", "", 1, "{}", "0.1", "done", "", 1.0, 2.0, 0.5),
    "sources": (1, "h", 5, '{"program.py": "x = 0"}'),
    "programs": ("r", "d", "h", 0, None, "seed", "seed", 0, 0, "ok", 1.0, 1.0, "{}", "{}"),
    "evaluations": (1, "r", 0, 0, "seed", "d", "h", "t", 1, "ok", 1.0, 0.5, None, None, "none", "", "same-process", 1.0,
                    "{}", "", "{}", "", "", "", ""),
}  # fmt: skip
"""A run as archives kept it before they knew of stages."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "evolve.db") as opened:
        yield opened


class TestRoundTrip:
    def test_a_run(self, archive: Archive) -> None:
        run = archive.create_run(None, archives.task(), 5, {"islands": 2, "rate": 0.1}, {"builtin/tune": {"points": 8}})
        assert (run.name, run.task, run.seed, run.state, run.best) == ("sphere-1", "sphere", 5, "running", None)
        assert run.config == {"islands": 2, "rate": 0.1}
        archive.finish(run.name, "done", "500 evaluations", 12.5)
        ended = archive.run()
        assert (ended.state, ended.reason, ended.seconds) == ("done", "500 evaluations", 12.5)
        assert ended.finished is not None
        assert ended.finished >= ended.created
        archive.resume_run(run.name, {"islands": 3})
        resumed = archive.run(run.name)
        assert (resumed.state, resumed.finished, resumed.seconds, resumed.config) == (
            "running",
            None,
            12.5,
            {"islands": 3},
        )

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(draft=strategies.drafts, seen=strategies.evaluations(), note=strategies.dirty, number=st.integers(1, 2**59))
    def test_an_attempt(self, archive: Archive, draft: Draft, seen: Evaluation, note: str, number: int) -> None:
        run = archives.begin(archive)
        attempt = archives.drafted(number, archives.seed(), "unused", archives.seed())
        attempt.draft = draft
        archive.drafted(run, attempt)
        assert archive.pending(run) == [attempt]
        archives.judge(attempt, seen)
        attempt.points.append(Point(replace(draft, note="tuned"), "other", replace(seen, feedback="")))
        archives.tell(archive, run, attempt)
        assert archive.attempt(run, number) == attempt
        assert archive.program(run, attempt.digest or "") == attempt.program
        attempt.reason = note  # told already: stays as it was
        archive.told(run, attempt, number)
        assert archive.attempt(run, number).reason == ""

    @given(strategies.metrics)
    def test_metrics_that_are_not_finite(self, metrics: dict[str, float]) -> None:
        from evolve.archive.rows import dump_metrics

        assert load_metrics(dump_metrics(metrics)) == metrics

    def test_nan_is_kept_as_text_but_not_as_a_row(self, archive: Archive) -> None:
        run = archives.begin(archive)
        seen = Evaluation("ok", 2.0, {"loss": float("nan"), "limit": float("inf")})
        archives.tell(archive, run, judged := archives.judge(archives.drafted(1, archives.seed(), "y"), seen))
        kept = archive.program(run, judged.digest or "").metrics
        assert str(kept["loss"]) == "nan"
        assert archive._all("SELECT name, value FROM metrics WHERE digest = ?", (judged.digest,)) == [
            ("limit", float("inf"))
        ]

    def test_output_that_is_no_text_is_escaped(self, archive: Archive) -> None:
        run = archives.begin(archive)
        attempt = archives.judge(archives.drafted(1, archives.seed(), "y"), Evaluation("crash", output="\udcff\0!"))
        archives.tell(archive, run, attempt)
        assert archive.attempt(run, 1).points[0].evaluation.output == "\\udcff\0!"

    def test_history_is_in_told_order_and_light(self, archive: Archive) -> None:
        run = archives.begin(archive)
        for number, order in ((1, 2), (2, 1)):
            attempt = archives.judge(
                archives.drafted(number, archives.seed(), f"x = {number}"), Evaluation("ok", number)
            )
            archive.judged(run, attempt, 0, "child", 1)
            archive.told(run, attempt, order)
        told = list(archive.history(run))
        assert [attempt.proposal.number for attempt in told] == [2, 1]
        assert [attempt.program.score for attempt in told if attempt.program] == [2.0, 1.0]
        assert told[0].draft == Draft({}, "tried 2", {"step": 2 / 3})
        assert told[0].points == [Point(Draft({}), archives.digest("x = 2"), Evaluation("ok", 2.0))]
        assert told[0].proposal.parent == replace(archives.seed(), sources={})

    def test_history_has_attempts_without_points(self, archive: Archive) -> None:
        run = archives.fill(archive)
        assert [(a.proposal.number, a.stage, len(a.points)) for a in archive.history(run)] == [
            (1, None, 1), (2, None, 1), (3, None, 1), (4, "novelty", 0), (5, None, 1),
        ]  # fmt: skip

    def test_seeds(self, archive: Archive) -> None:
        run = archives.begin(archive)
        other = replace(archives.seed(3.0), digest=archives.digest("other"), number=-1)
        seen = Evaluation("ok", 3.0, artifacts=(Artifact("plot", "image/png", b"\x89PNG"),))
        for _ in range(2):
            archive.seeded(run, other, seen, 1)
        assert [program.number for program, _ in archive.seeds(run)] == [0, -1]
        assert archive.seeds(run)[1] == (other, seen)
        with pytest.raises(ValueError, match="0 or less"):
            archive.seeded(run, replace(other, number=1), seen, 1)


class TestRules:
    def test_writes_may_be_repeated(self, archive: Archive) -> None:
        run = archives.fill(archive)
        before = _rows(archive)
        attempt = archive.attempt(run, 2)
        for _ in range(2):
            archive.asked(run, attempt.proposal)
            archive.drafted(run, attempt)
            archive.judged(run, attempt, 0, "child", 11)
            archive.told(run, attempt, 2)
        assert _rows(archive) == before

    def test_the_same_program_is_never_judged_twice(self, archive: Archive) -> None:
        run = archives.fill(archive)
        with pytest.raises(sqlite3.IntegrityError, match=r"attempts\.digest"):
            archive.drafted(run, archives.drafted(7, archives.seed(), "x = 6\n"))
        assert archive.known(run, archives.digest("x = 6\n")) == 6
        refused = archives.drafted(7, archives.seed(), "x = 6\n")
        refused.stage = "novelty"
        archives.tell(archive, run, refused)
        assert archive.known(run, archives.digest("x = 6\n")) == 6

    def test_what_was_refused_is_not_known(self, archive: Archive) -> None:
        run = archives.begin(archive)
        attempt = archives.drafted(1, archives.seed(), "y")
        archive.drafted(run, attempt)
        assert archive.known(run, archives.digest("y")) == 1
        attempt.stage = "novelty"
        archive.told(run, attempt, 1)
        assert archive.known(run, archives.digest("y")) is None
        assert archive.known(run, archives.seed().digest) == 0

    def test_what_tuning_found_is_known(self, archive: Archive) -> None:
        run = archives.begin(archive)
        attempt = archives.judge(archives.drafted(1, archives.seed(), "y"), Evaluation("ok", 1.0))
        tuned = Draft({"program.py": "z"})
        attempt.points.append(Point(tuned, archives.digest("z"), Evaluation("ok", 9.0)))
        assert attempt.program is not None
        attempt.program = replace(attempt.program, digest=archives.digest("z"), sources=tuned.sources, score=9.0)
        archives.tell(archive, run, attempt)
        assert archive.known(run, archives.digest("z")) == 1
        assert archive.counted(run) == 2
        assert archive.best()[0] == attempt.program

    def test_a_failure_has_no_score(self, archive: Archive) -> None:
        run = archives.begin(archive)
        attempt = archives.judge(archives.drafted(1, archives.seed(), "y"), Evaluation("timeout", 3.0))
        with pytest.raises(sqlite3.IntegrityError, match="score IS NULL"):
            archive.judged(run, attempt, 0, "child", 1)

    def test_our_own_errors_make_no_program_and_give_way(self, archive: Archive) -> None:
        run = archive.create_run("r", archives.task(), 1, {}).name
        archive.seeded(run, archives.seed(), Evaluation("judge_error", error="OOM"), 1)
        assert archive.seeds(run) == []
        archive.seeded(run, archives.seed(), Evaluation("ok", 1.0, feedback="fine"), 1)
        assert [seen.status for _, seen in archive.seeds(run)] == ["ok"]
        archive.seeded(run, archives.seed(), Evaluation("judge_error"), 1)
        assert [seen.status for _, seen in archive.seeds(run)] == ["ok"]

    def test_only_children_and_tuned_points_are_counted(self, archive: Archive) -> None:
        run = archives.fill(archive)
        assert archive.counted(run) == 4
        assert archive.run(run).evaluations == 4

    def test_a_transaction_is_all_or_nothing(self, archive: Archive) -> None:
        run = archives.begin(archive)
        before = _rows(archive)
        attempt = archives.judge(archives.drafted(1, archives.seed(), "y"), Evaluation("ok", 1.0))

        def half() -> None:
            with archive.transaction():
                archives.tell(archive, run, attempt)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            half()
        assert _rows(archive) == before

    def test_names(self, archive: Archive) -> None:
        names = [archive.create_run(None, archives.task("math/circle packing"), 1, {}).name for _ in range(3)]
        assert names == ["circle-packing-1", "circle-packing-2", "circle-packing-3"]
        with pytest.raises(ArchiveError, match="already has a run"):
            archive.create_run(names[0], archives.task(), 1, {})
        for bad in ("", "../up", "a b", "-n", "x" * 81):
            with pytest.raises(ArchiveError, match="cannot name a run"):
                archive.create_run(bad, archives.task(), 1, {})

    def test_a_run_that_is_not_there(self, archive: Archive) -> None:
        with pytest.raises(ArchiveError, match="holds no run yet"):
            archive.run()
        with pytest.raises(ArchiveError, match="no run"):
            archive.finish("no", "done", "", 1)
        with pytest.raises(ArchiveError, match="no run"):
            archive.resume_run("no", {})


class TestQuestions:
    @pytest.mark.parametrize(("direction", "scores"), [("maximize", [4, 3, 2, 1]), ("minimize", [1, 2, 3, 4])])
    def test_best_follows_the_direction(self, archive: Archive, direction: Direction, scores: list[float]) -> None:
        run = archives.fill(archive, direction=direction)
        assert [program.score for program in archive.best(9)] == scores
        assert archive.run(run).best == scores[0]
        assert archive._all("SELECT score FROM leaderboard ORDER BY rank") == [(score,) for score in scores]

    def test_of_equals_the_older_is_first(self, archive: Archive) -> None:
        directions: tuple[Direction, ...] = ("maximize", "minimize")
        for direction in directions:
            run = archives.begin(archive, direction, direction)
            for number in (1, 2):
                same = archives.judge(archives.drafted(number, archives.seed(), f"x = {number}"), Evaluation("ok", 1.0))
                archives.tell(archive, run, same)
            assert [program.number for program in archive.best(3, run)] == [0, 1, 2]

    def test_find(self, archive: Archive) -> None:
        run, other = archives.fill(archive, "old"), archives.begin(archive, "new")
        whole = archives.digest("x = 3\n")
        assert archive.find(whole[:6]) == (run, archive.program(run, whole))
        assert archive.find(whole.upper())[1].digest == whole
        assert archive.find(archives.seed().digest[:10]) == (other, archives.seed())
        assert archive.find(archives.seed().digest[:10], run)[0] == run
        for id, words in (("abc", "too short"), ("f00f" * 4, "no program in"), ("%___", "no program in")):
            with pytest.raises(ArchiveError, match=words):
                archive.find(id)

    def test_an_ambiguous_id(self, archive: Archive) -> None:
        run = archives.begin(archive)
        for number, digest in enumerate(("abcdef1", "abcdef2")):
            archive.seeded(run, replace(archives.seed(), digest=digest, number=-1 - number), Evaluation("ok", 1.0), 1)
        with pytest.raises(ArchiveError, match="abcdef1, abcdef2: give more"):
            archive.find("abcd")
        assert archive.find("abcdef2")[1].digest == "abcdef2"

    def test_lineage_and_children(self, archive: Archive) -> None:
        run = archives.fill(archive)
        line = archive.lineage(run, archives.digest("x = 3\n"))
        assert [program.number for program in line] == [5, 2, 1, 0]
        assert [program.number for program in archive.children(run, line[2].digest)] == [2, 3]
        assert archive._all("SELECT number, parent_score FROM lineage WHERE number = 2") == [(2, 2.0)]

    def test_failures(self, archive: Archive) -> None:
        archives.fill(archive)
        assert [(f.number, f.how, f.reason.splitlines()[-1]) for f in archive.failures()] == [
            (4, "novelty", "the same program as attempt 1"),
            (3, "crash", "ZeroDivisionError: division by zero"),
        ]
        assert len(archive.failures(n=1)) == 1

    def test_search(self, archive: Archive) -> None:
        run = archives.fill(archive)

        def found(text: str) -> list[tuple[int, str]]:
            return [(hit.program.number, hit.where) for hit in archive.search(text)]

        assert found("relu") == [(2, "program.py:1"), (1, "program.py:1")]
        assert found("LEAKY_RELU") == [(2, "program.py:1")]
        assert found("leak*") == [(2, "program.py:1")]
        assert found("leak") == []
        assert found("max return") == [(2, "program.py:2"), (1, "program.py:2")]
        assert found("much") == [(2, "feedback")]
        assert found("ZeroDivisionError") == [(3, "error")]
        assert found('max(x, "') == [(2, "program.py:2"), (1, "program.py:2")]
        assert archive.search("relu", run, n=1)[0].text == "def leaky_relu(x):"
        with pytest.raises(ArchiveError, match="no word"):
            archive.search('"*" -')

    @given(text=strategies.dirty)
    @settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_text_is_a_syntax_error(self, archive: Archive, text: str) -> None:
        with contextlib.suppress(ArchiveError):
            assert archive.search(text) == []

    def test_spend_and_arms(self, archive: Archive) -> None:
        run = archives.fill(archive)
        spent = {item.arm: item for item in archive.spend(run)}
        assert (spent["builtin/tune"].seconds, spent["builtin/tune"].cpu_seconds) == (1.5, 1.25)
        assert (spent["builtin/mutate"].evaluations, spent["builtin/mutate"].counted) == (3, 3)
        assert (spent["seed"].evaluations, spent["seed"].counted) == (1, 0)
        assert [spent[arm].attempts for arm in ("builtin/mutate", "builtin/tune", "seed")] == [5, 1, 1]
        stats = "SELECT arm, operator, attempts, told, stopped, scored, improved, best FROM arm_stats ORDER BY arm"
        assert archive._all(stats) == [
            ("builtin/mutate", "mutate", 5, 4, 1, 2, 1, 3.0),
            ("builtin/tune", "tune", 1, 1, 0, 1, 1, 4.0),
        ]

    def test_evaluations_and_artifacts(self, archive: Archive) -> None:
        run = archives.begin(archive)
        kept = Artifact("plot", "text/plain", b"***")
        seen = Evaluation("ok", 2.0, artifacts=(kept,))
        attempt = archives.judge(archives.drafted(1, archives.seed(), "y"), seen)
        archives.tell(archive, run, attempt)
        assert archive.artifacts(run, attempt.digest or "") == [kept]
        (judged,) = archive.evaluations(run, attempt.digest or "")
        assert (judged.attempt, judged.point, judged.purpose, judged.seed, judged.note) == (
            1,
            0,
            "child",
            11,
            "tried 1",
        )
        assert judged.evaluation == replace(seen, artifacts=())

    @pytest.mark.parametrize("direction", ["maximize", "minimize"])
    def test_pareto(self, archive: Archive, direction: Direction) -> None:
        better = 1.0 if direction == "maximize" else -1.0
        metrics = (Metric("size", "minimize"), Metric("speed", "maximize"), Metric("note"))
        run = archive.create_run(None, archives.task(direction=direction, metrics=metrics), 1, {}).name
        points = [(5, 5, 1), (4, 4, 1), (4, 5, 1), (5, 5, 1), (3, 9, 1), (3, 9, 2), (9, 9, 0), (1, 1, None)]
        for number, (score, size, speed) in enumerate(points):
            values = {"size": float(size), "note": 1.0} | ({} if speed is None else {"speed": float(speed)})
            program = replace(archives.seed(better * score), digest=f"{number}", number=-number, metrics=values)
            archive.seeded(run, program, Evaluation("ok", better * score), 1)
        front = {int(id) for (id,) in archive._all("SELECT id FROM pareto")}
        assert front == {0, 1, 3, 5, 6, 7}


class TestFile:
    def test_settings(self, archive: Archive) -> None:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert archive._one(f"PRAGMA {pragma}") == (value,)
        assert archive._all("PRAGMA foreign_key_check") == []

    def test_opening_again_changes_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "evolve.db"
        Archive(path).close()
        before = path.read_bytes()
        with Archive(path, create=False) as again:
            assert again._one("SELECT count(*) FROM _sqlite_migrations") == (7,)
        assert path.read_bytes() == before

    def test_who_comes_second_to_a_new_archive_changes_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else the first would lose its statements, in the midst of a run."""
        path = tmp_path / "evolve.db"
        versions: list[int] = []
        real = database.Database.transaction

        @contextlib.contextmanager
        def late(self: database.Database, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
            if not versions:
                versions.append(0)
                with Archive(path) as first:
                    versions[0] = first._one("PRAGMA schema_version")
            with real(self, begin):
                yield

        monkeypatch.setattr(database.Database, "transaction", late)
        with Archive(path) as second:
            assert [second._one("PRAGMA schema_version")] == versions

    def test_importing_and_opening_is_light(self, tmp_path: Path) -> None:
        Archive(tmp_path / "evolve.db").close()
        code = (
            "import sys, evolve.archive; evolve.archive.Archive('evolve.db', create=False); "
            "print({'numpy', 'sqlite_utils', 'rich', 'pydantic'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=_environment(), capture_output=True, text=True
        )
        assert (done.stdout.strip(), done.stderr) == ("set()", "")

    def test_several_processes_may_make_the_same_file(self, tmp_path: Path) -> None:
        code = "import sys; from evolve.archive import Archive; sys.stdin.read(); Archive('evolve.db').close()"
        command = [sys.executable, "-c", code]
        makers = [subprocess.Popen(command, cwd=tmp_path, env=_environment(), stdin=subprocess.PIPE) for _ in range(3)]
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.close()
        assert [maker.wait(timeout=30) for maker in makers] == [0, 0, 0]

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ArchiveError, match=r"no archive at .*evolve run TASK"):
            Archive(tmp_path / "evolve.db", create=False)
        with pytest.raises(ArchiveError, match="cannot be opened"):
            Archive(tmp_path / "no" / "evolve.db")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_not_ours(self, tmp_path: Path) -> None:
        text, other = tmp_path / "text.db", tmp_path / "other.db"
        text.write_text("not a database, but long enough to be read as one\n" * 40)
        connection = sqlite3.connect(other)
        connection.execute("CREATE TABLE notes (text)")
        connection.close()
        with pytest.raises(ArchiveError, match="no SQLite database"):
            Archive(text)
        with pytest.raises(ArchiveError, match="of another program"):
            Archive(other)

    def test_a_newer_file(self, archive: Archive) -> None:
        archive._run(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('evolve', '0099_later', 'tomorrow')"
        )
        with pytest.raises(ArchiveError, match=r"newer version of evolve.*0099_later"):
            Archive(archive.path)

    def test_a_damaged_file(self, tmp_path: Path) -> None:
        path = tmp_path / "evolve.db"
        with Archive(path) as archive:
            run = archives.fill(archive)
        data = bytearray(path.read_bytes())
        data[4096 * 2 :] = b"\xa5" * (len(data) - 4096 * 2)
        path.write_bytes(bytes(data))

        def read() -> None:
            with Archive(path) as archive:
                list(archive.history(run))

        with pytest.raises(ArchiveError, match="is damaged"):
            read()

    def test_a_full_disk_is_said(self, archive: Archive) -> None:
        run = archives.begin(archive)
        (pages,) = archive._one("PRAGMA page_count")
        archive._one(f"PRAGMA max_page_count = {pages}")
        attempt = archives.judge(archives.drafted(1, archives.seed(), "y"), Evaluation("ok", 2.0, output="o" * 100_000))
        with pytest.raises(ArchiveError, match="disk is full"):
            archives.tell(archive, run, attempt)
        assert list(archive.history(run)) == []

    def test_views_follow_their_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Archive(tmp_path / "evolve.db") as archive:
            archives.fill(archive)
        data = _copied_data(tmp_path, monkeypatch)
        (data / "views.sql").write_text("CREATE VIEW numbers AS SELECT number FROM attempts; -- ours\n")
        with Archive(tmp_path / "evolve.db") as archive:
            assert archive._all("SELECT name FROM sqlite_schema WHERE type = 'view'") == [("numbers",)]

    def test_a_migration_that_fails_rolls_back_whole(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "evolve.db"
        Archive(path).close()
        data = _copied_data(tmp_path, monkeypatch)
        (data / "migrations" / "0098_fine.sql").write_text("CREATE TABLE fine (a INTEGER) STRICT;\n")
        (data / "migrations" / "0099_bad.sql").write_text(
            "CREATE TABLE half (a INTEGER) STRICT;\nINSERT INTO half VALUES (1);\nCREATE TABLE runs (name TEXT);\n"
        )
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            Archive(path)
        (data / "migrations" / "0099_bad.sql").unlink()
        with Archive(path) as archive:
            tables = {name for (name,) in archive._all("SELECT name FROM sqlite_schema")}
            assert "half" not in tables
            assert "fine" in tables
            assert archive._all("SELECT name FROM _sqlite_migrations ORDER BY id") == [
                ("0001_archive",),
                ("0002_replies",),
                ("0003_sittings",),
                ("0004_stages",),
                ("0005_commands",),
                ("0006_told",),
                ("0007_starts",),
                ("0098_fine",),
            ]

    def test_an_archive_from_before_stages_reads_as_it_was(self, tmp_path: Path) -> None:
        path = tmp_path / "evolve.db"
        files = sorted((resources.folder("archive") / "migrations").glob("*.sql"))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            database.migrate(connection, {file.stem: file.read_text("utf-8") for file in files[:3]})
            for table, row in OLD.items():
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        with Archive(path) as archive:
            ((program, seen),) = archive.seeds("r")
            assert (program.score, seen) == (1.0, Evaluation("ok", 1.0, seconds=0.5))
            assert (archive.run("r").repeats, archive.champion("r"), archive.screening("r")) == (1, None, None)
            assert archive._all("PRAGMA foreign_key_check") == []

    def test_statements_keep_triggers_whole(self) -> None:
        script = "-- a; b\nCREATE TABLE a (b);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n SELECT 1;\nEND;\n--x\n"
        assert [statement.split("\n")[-1] for statement in database.statements(script)] == [
            "CREATE TABLE a (b);",
            "END;",
        ]
        with pytest.raises(ValueError, match="unfinished"):
            list(database.statements("CREATE TABLE a (b)"))

    def test_network_file_systems(self) -> None:
        mounts = (
            "/dev/sda / ext4 rw 0 0\nserver:/x /home nfs4 rw\n//pc/y /home/my\\040disk cifs rw\nz /home/local xfs rw\n"
        )
        kinds = [
            database.file_system(Path(path), mounts) for path in ("/a", "/home/b", "/home/my disk/c", "/home/local/d")
        ]
        assert kinds == ["ext4", "nfs4", "cifs", "xfs"]
        assert database.file_system(Path("/a"), "") == ""


class TestProcesses:
    def test_a_run_has_one_driver(self, archive: Archive) -> None:
        run = archives.begin(archive)
        with archive.lock(run), Archive(archive.path) as other:
            with pytest.raises(ArchiveError, match=f"'sphere-1' is being run by .*pid {os.getpid()}"), other.lock(run):
                pass
            with other.lock("another"):
                pass
        with archive.lock(run):
            pass
        assert not list(archive.path.parent.glob("*.lock"))

    def test_a_lock_dies_with_its_process_and_not_with_its_children(self, tmp_path: Path) -> None:
        path = tmp_path / "run.lock"
        code = (
            "import os, sys, time; from pathlib import Path; from evolve.archive.lock import locked\n"
            f"with locked(Path({str(path)!r}), 'it'):\n"
            "    child = os.fork()\n"
            "    if not child: print(os.getpid(), flush=True)\n"
            "    time.sleep(20)\n"
        )
        holder = subprocess.Popen([sys.executable, "-c", code], env=_environment(), stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        with holder, holder.stdout:
            child = int(holder.stdout.readline())
            try:
                with pytest.raises(ArchiveError, match=f"pid {holder.pid}"), locked(path, "it"):
                    pass
                holder.kill()
                holder.wait()
                os.kill(child, 0)
                with locked(path, "it"):
                    assert path.exists()
            finally:
                os.kill(child, signal.SIGKILL)

    def test_a_killed_writer_loses_nothing_that_it_acknowledged(self, tmp_path: Path) -> None:
        path = tmp_path / "evolve.db"
        code = (
            "import sys; from tests import archives; from evolve.archive import Archive; from evolve.records import Evaluation\n"
            "archive = Archive(sys.argv[1]); start = int(sys.argv[2])\n"
            "run = archives.begin(archive) if not start else 'sphere-1'\n"
            "for n in range(start + 1, start + 5000):\n"
            "    seen = Evaluation('ok', n, {'a': n, 'b': 2.0})\n"
            "    attempt = archives.judge(archives.drafted(n, archives.seed(), f'x = {n}'), seen)\n"
            "    archives.tell(archive, run, attempt)\n"
            "    print(n, flush=True)\n"
        )
        done = 0
        for _ in range(4):
            command = [sys.executable, "-c", code, str(path), str(done)]
            writer = subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True)
            assert writer.stdout is not None
            with writer, writer.stdout as lines:
                acknowledged = [int(lines.readline()) for _ in range(25)]
                writer.kill()
                acknowledged += [int(line) for line in lines.read().split("\n")[:-1]]
            with Archive(path, create=False) as archive:
                told = [attempt.proposal.number for attempt in archive.history("sphere-1")]
                assert told == list(range(1, len(told) + 1))
                assert len(told) >= acknowledged[-1]
                assert archive._all("PRAGMA integrity_check") == [("ok",)]
                assert archive._all("PRAGMA foreign_key_check") == []
                torn = (
                    "SELECT digest FROM programs WHERE number > 0 GROUP BY digest HAVING (SELECT count(*) FROM metrics "
                )
                assert archive._all(torn + "WHERE metrics.digest = programs.digest) <> 2") == []
                for table in ("code", "words"):
                    archive._run(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
                done = len(told) + len(archive.pending("sphere-1"))
                if archive.pending("sphere-1"):  # a draft without its end: tell it, as a resume would
                    for attempt in archive.pending("sphere-1"):
                        archives.tell(
                            archive, "sphere-1", archives.judge(attempt, Evaluation("ok", 1.0, {"a": 1, "b": 1}))
                        )
        assert done >= 100

    def test_two_that_make_the_same_archive_wait_for_each_other(self, tmp_path: Path) -> None:
        other = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.3, other.execute, ["COMMIT"])
        ends.start()
        with Archive(tmp_path / "new.db") as opened:
            assert opened.runs() == []
        ends.join()
        other.close()

    def test_readers_do_not_wait_for_the_writer(self, archive: Archive) -> None:
        run = archives.begin(archive)
        stop, seen, errors = threading.Event(), [0, 0], list[BaseException]()

        def read(reader: int) -> None:
            try:
                with Archive(archive.path, create=False) as mine:
                    while not stop.is_set():
                        assert len(list(mine.history(run))) <= mine.run(run).evaluations
                        assert mine.best(3)
                        seen[reader] += 1
            except (ArchiveError, AssertionError, sqlite3.Error) as error:
                errors.append(error)

        readers = [threading.Thread(target=read, args=(reader,)) for reader in range(2)]
        for thread in readers:
            thread.start()
        for number in range(1, 151):
            attempt = archives.judge(
                archives.drafted(number, archives.seed(), f"x = {number}"), Evaluation("ok", number)
            )
            archives.tell(archive, run, attempt)
        stop.set()
        for thread in readers:
            thread.join(timeout=20)
        assert errors == []
        assert min(seen) > 0


class TestSpeed:
    """What stays fast is a matter of plans, not of clocks: no query of a verb or of the driver reads a whole table."""

    QUERIES = (
        RUN + "WHERE name = :a",
        RUN + "ORDER BY created DESC, rowid DESC LIMIT 1",
        BEST.format(order="DESC").replace("?", ":a"),
        BEST.format(order="ASC").replace("?", ":a"),
        LINE.replace("?1", ":a").replace("?2", ":a"),
        "SELECT * FROM failures WHERE run = :a ORDER BY number DESC LIMIT 9",
        "SELECT * FROM lineage WHERE run = :a AND digest = :a",
        "SELECT screen FROM evaluations WHERE run = :a AND screen IS NOT NULL ORDER BY id DESC LIMIT 9",
        CONTENDERS.format(better=">", order="DESC").replace(":run", ":a").replace(":score", ":a").replace(":n", ":a"),
        CONTENDERS.format(better="<", order="ASC").replace(":run", ":a").replace(":score", ":a").replace(":n", ":a"),
        f"{VERDICTS} WHERE c.run = :a AND c.verdict = 'promoted' ORDER BY c.place DESC LIMIT 1",
        f"{VERDICTS} WHERE c.run = :a AND c.digest = :a",
        "SELECT run, digest FROM programs WHERE run = :a AND digest >= :a AND digest < :a LIMIT 6",
        "SELECT number FROM attempts WHERE run = :a AND state <> 'told' ORDER BY number",
    )

    @pytest.mark.parametrize("query", QUERIES)
    def test_plans_use_indices(self, archive: Archive, query: str) -> None:
        plan = [row[3] for row in archive._all(f"EXPLAIN QUERY PLAN {query}", {"a": "a"})]
        scans = [step for step in plan if step.startswith("SCAN") and " line" not in step and "CONSTANT" not in step]
        assert [step for step in scans if "USING INDEX runs_created" not in step] == []
        if "WITH RECURSIVE" not in query:
            assert [step for step in plan if "TEMP B-TREE" in step] == []

    def test_a_screening_reads_the_screened_of_its_run_alone(self, archive: Archive) -> None:
        plan = [row[3] for row in archive._all("EXPLAIN QUERY PLAN SELECT * FROM screening WHERE run = 'a'")]
        assert "SEARCH e USING INDEX evaluations_screened (run=?)" in plan
        assert [step for step in plan if step.startswith("SCAN")] == ["SCAN screening"]

    def test_the_drivers_statements_use_indices(self, archive: Archive) -> None:
        run = archives.fill(archive)
        statements: list[str] = []
        archive._connection.set_trace_callback(statements.append)
        first = archive.attempt(run, 1).program
        assert first is not None
        archives.tell(
            archive, run, archives.judge(archives.drafted(7, first, "x = 7"), Evaluation("ok", 1.0, {"a": 1.0}))
        )
        archive.known(run, "0" * 64)
        archive.counted(run)
        archive._connection.set_trace_callback(None)
        asked = [text for text in statements if text.split()[0] in ("SELECT", "UPDATE", "DELETE")]
        assert len(asked) > 5
        for statement in asked:
            plan = [row[3] for row in archive._all(f"EXPLAIN QUERY PLAN {statement}")]
            assert [step for step in plan if step.startswith("SCAN") and "json_each" not in step] == [], statement


def _rows(archive: Archive) -> dict[str, list[tuple[object, ...]]]:
    return {table: archive._all(f"SELECT * FROM {table}") for table in TABLES}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def _copied_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = tmp_path / "data"
    shutil.copytree(resources.folder("archive"), data)
    monkeypatch.setattr(database, "folder", lambda name: data)
    return data


class TestFolder:
    """What stands in the folder `archive/` beside the schema."""

    def test_ready_made_queries_run(self, archive: Archive) -> None:
        run = archives.fill(archive)
        config = json.loads((resources.folder("archive") / "datasette.json").read_text("utf-8"))
        archives.converse(archive, run)
        values = {"run": run, "attempt": 5, "id": archives.digest("x = 3\n")[:8], "words": "relu"}
        queries = config["databases"]["evolve"]["queries"]
        rows = {name: archive._all(query["sql"], values) for name, query in queries.items()}
        counts = {
            "best": 4,
            "line": 4,
            "code": 1,
            "conversation": 4,
            "champions": 0,
            "search": 2,
            "progress": 3,
            "failed": 2,
        }
        assert {name: len(rows[name]) for name in counts} == counts
        assert [row[2] for row in rows["progress"]] == [2.0, 4.0, 4.0]

    def test_the_readme_names_every_table_and_view(self, archive: Archive) -> None:
        text = (resources.folder("archive") / "README.md").read_text("utf-8")
        names = (
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
            "AND (name NOT GLOB '*_*' OR name IN ('arm_stats', 'reply_spend'))"
        )
        for (name,) in archive._all(names):
            assert f"`{name}`" in text, name
