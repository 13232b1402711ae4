"""Runs that ask models, cut off and gone on with: Ctrl-C once and twice, and an evaluate.py that fails."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest

from evolve import api
from evolve.archive import Archive
from evolve.errors import ConfigError, JudgeError, ModelError
from evolve.loop import Loop
from evolve.records import Attempt
from evolve.replay import replay
from evolve.session import reopened
from evolve.task import load
from evolve.testing import Answer, Request, ScriptedServer, Staircase
from tests.archives import rows
from tests.ensemble import conftest
from tests.ensemble.conftest import Launch
from tests.waiting import wait_for


def model(url: str, **settings: Any) -> dict[str, Any]:
    """Return the settings of a model that is asked for whole programs: what it says is not what these tests are about."""
    return conftest.model(url, operators=["full"], **settings)


def same(db: Path, run: str, stairs: Path, server: ScriptedServer) -> None:
    """Check that the run's replay is identical and asks nobody."""
    asked = len(server.requests)
    with Archive(db, create=False) as archive:
        assert replay(archive, run, load(stairs)).differences == ()
    assert len(server.requests) == asked


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class Held:
    """Holds answers back until Ctrl-C has been pressed, once ``requests`` have come."""

    def __init__(self, requests: int) -> None:
        self._left, self._pressed = requests, Event()

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            time.sleep(0.1)  # the other request is on its way to wait
            interrupt()
            time.sleep(0.2)
            self._pressed.set()
        self._pressed.wait(10)


def test_the_first_interrupt_lets_calls_under_way_end_and_a_resume_asks_nothing_twice(
    launch: Launch, tmp_path: Path, stairs: Path
) -> None:
    db = tmp_path / "a.db"
    clever, held = Staircase.model(1.0), Held(2)

    def answer(request: Request) -> Answer:
        held()
        return clever(request)

    with ScriptedServer(answer, price=(1.0, 2.0)) as server:
        done = launch({"m": model(server.url)}, evaluations=6, workers=2, name="r")
        assert (done.reason, done.info.state) == ("interrupted", "stopped")
        assert rows(db, "SELECT attempt, state FROM replies") == [(1, "done"), (2, "done")]
        assert rows(db, "SELECT number, state, program IS NULL FROM attempts ORDER BY number") == [
            (1, "drafted", 1),
            (2, "drafted", 1),
            (3, "asked", 1),
        ]
        assert rows(db, "SELECT count(*) FROM evaluations WHERE attempt > 0") == [(0,)], "nothing is begun after it"
        again = api.resume("r", db=db)
        assert (again.reason, again.info.evaluations) == ("6 evaluations", 6)
        assert rows(db, "SELECT state, count(*) FROM replies GROUP BY state") == [("done", len(server.requests))]
        assert max(Counter(rows(db, "SELECT attempt, turn FROM replies")).values()) == 1
        with Archive(db, create=False) as archive:
            assert archive.spent("r")[0] == pytest.approx(server.bill)
        same(db, "r", stairs, server)


def test_the_second_interrupt_stops_at_once_and_what_was_under_way_counts_at_its_most(
    launch: Launch, tmp_path: Path, stairs: Path
) -> None:
    db = tmp_path / "a.db"

    def faults(number: int, request: Request) -> Any:
        if number == 1:
            Timer(0.1, interrupt).start()
            Timer(0.3, interrupt).start()
        return "hang" if number < 2 else None

    with ScriptedServer(Staircase.model(1.0), price=(1.0, 2.0), faults=faults) as server:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            launch({"m": model(server.url, timeout=30)}, evaluations=4, workers=2, name="r")
        assert time.monotonic() - began < 10
        assert rows(db, "SELECT attempt, tries, state FROM replies") == [(1, 0, "open"), (2, 0, "open")]
        assert api.resume("r", db=db).reason == "4 evaluations"
        kept = rows(db, "SELECT attempt, tries, state, dollars = reserved_dollars FROM replies ORDER BY attempt, tries")
        assert kept[:4] == [(1, 0, "uncertain", 1), (1, 1, "done", 0), (2, 0, "uncertain", 1), (2, 1, "done", 0)]
        assert {row[2] for row in kept[4:]} == {"done"}
        with Archive(db, create=False) as archive:
            dollars, tokens = archive.spent("r")
        assert dollars > server.bill
        assert tokens > server.tokens
        assert len(kept) == len(server.requests)
        same(db, "r", stairs, server)


def test_a_conversation_goes_on_where_it_was(launch: Launch, tmp_path: Path, stairs: Path) -> None:
    db = tmp_path / "a.db"
    clever, held = Staircase.model(1.0), Held(1)

    def answer(request: Request) -> Answer:
        held()
        return Answer("I will not tell.") if len(server.requests) == 1 else clever(request)

    with ScriptedServer(answer) as server:
        assert launch({"m": model(server.url)}, evaluations=3, workers=1, name="r").reason == "interrupted"
        assert len(server.requests) == 1
        assert rows(db, "SELECT state, stage FROM attempts WHERE number = 1") == [("asked", None)]
        assert api.resume("r", db=db).reason == "3 evaluations"
        assert "That reply cannot be used" in server.requests[1].text
        assert "I will not tell." in server.requests[1].text
        turns = rows(db, "SELECT turn, tries, purpose, state FROM replies WHERE attempt = 1 ORDER BY turn")
        assert turns == [(0, 0, "draft", "done"), (1, 0, "correct", "done")]
        assert rows(db, "SELECT program IS NOT NULL FROM attempts WHERE number = 1") == [(1,)]
        same(db, "r", stairs, server)


def test_tries_that_wait_are_let_go_and_go_on_later(launch: Launch, tmp_path: Path, stairs: Path) -> None:
    db = tmp_path / "a.db"

    def faults(number: int, request: Request) -> Any:
        if number == 0:
            Timer(0.2, interrupt).start()
        return "429-after" if number == 0 else None

    with ScriptedServer(Staircase.model(1.0), faults=faults, retry_after=3600) as server:
        began = time.monotonic()
        assert launch({"m": model(server.url)}, evaluations=2, workers=1, name="r").reason == "interrupted"
        assert time.monotonic() - began < 10
        assert rows(db, "SELECT number, state FROM attempts") == [(1, "asked"), (2, "asked")]
        assert api.resume("r", db=db).reason == "2 evaluations"
        kept = rows(db, "SELECT attempt, tries, state FROM replies ORDER BY attempt, tries")
        assert kept == [(1, 0, "failed"), (1, 1, "done"), (2, 0, "done")]
        same(db, "r", stairs, server)


def test_calls_under_way_are_waited_for_when_evaluate_fails(
    launch: Launch, tmp_path: Path, stairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, flag = tmp_path / "a.db", tmp_path / "broken"
    (stairs / "evaluate.py").write_text(
        "import os\n\n\ndef evaluate(candidate):\n"
        f"    if os.path.exists({str(flag)!r}):\n        raise OSError('the disk is gone')\n"
        '    return {"score": float(candidate.call("level"))}\n'
    )
    clever = Staircase.model(1.0)

    def answer(request: Request) -> Answer:
        flag.touch()
        return Answer(clever(request).text, latency=0.6 if len(server.requests) > 1 else 0.1)

    turns = 0
    turn = Loop._turn

    def counted(loop: Loop) -> None:
        nonlocal turns
        turns += 1
        turn(loop)

    monkeypatch.setattr(Loop, "_turn", counted)
    with ScriptedServer(answer, price=(1.0, 2.0)) as server:
        with pytest.raises(JudgeError, match="the disk is gone"):
            launch({"m": model(server.url)}, evaluations=6, workers=2, name="r")
        assert turns < 200, "it waits for the call under way instead of spinning"
        asked = len(server.requests)
        assert 3 <= asked <= 5, "three in a row stop it"
        assert rows(db, "SELECT state, count(*) FROM replies GROUP BY state") == [("done", asked)]
        drafted = rows(db, "SELECT count(*) FROM attempts WHERE state = 'drafted'")
        assert drafted == [(asked,)], "each reply is a draft, for the judge once it is mended"
        assert rows(db, "SELECT count(*) FROM evaluations WHERE attempt > 0") == [(0,)]
        answer_again = ScriptedServer(clever, price=(1.0, 2.0))
        flag.unlink()
        with closing(sqlite3.connect(db)) as connection, connection:  # the same model, at another address
            (stored,) = connection.execute("SELECT config FROM runs").fetchone()
            connection.execute("UPDATE runs SET config = ?", (stored.replace(server.url, answer_again.url),))
        with answer_again:
            assert api.resume("r", db=db).reason == "6 evaluations"
            assert len(answer_again.requests) + asked == 6, "nothing is asked twice"
            same(db, "r", stairs, answer_again)


def test_what_a_resume_drafts_is_led_with_its_settings(launch: Launch, tmp_path: Path, stairs: Path) -> None:
    """Attempts that were asked for in one sitting and drafted in the next, whose prompts are other ones."""
    db = tmp_path / "a.db"
    (stairs / "knowledge").mkdir()
    (stairs / "knowledge" / "notes.md").write_text("Each step is higher than the last.\n")

    def stop(attempt: Attempt) -> None:
        with Archive(db, create=False) as archive:
            archive.command("r", "stop")

    clever = Staircase.model(1.0)

    def answer(request: Request) -> Answer:
        if len(server.requests) > 1:  # the second answer comes once the run is ending
            wait_for(lambda: rows(db, "SELECT 1 FROM commands WHERE taken_at IS NOT NULL"), 10)
        return clever(request)

    with ScriptedServer(answer, price=(1.0, 2.0)) as server:
        models = {"m": model(server.url, concurrency=1)}
        launch(models, evaluations=4, workers=5, name="r", observers=[stop])
        waiting = rows(db, "SELECT count(*) FROM attempts WHERE state = 'asked'")
        assert waiting[0][0] > 1
        with reopened("r", db=db, flags={"llm": {"knowledge": False}}) as session:
            assert session.evolve() == "4 evaluations"
        same(db, "r", stairs, server)


class TestALoopOfOnesOwn:
    """`Search`, whose `ask` and `work` wait for models themselves."""

    def search(self, server: ScriptedServer, stairs: Path, db: Path, **settings: Any) -> api.Search:
        wanted = {"arms": {}, "models": {"m": model(server.url)}, "llm": {"rest": 0.3, "tries": 1}, **settings}
        return api.Search(stairs, db=db, seed=0, executor="inline", evaluations=4, settings=wanted)

    def test_it_asks_and_is_answered(self, tmp_path: Path, stairs: Path) -> None:
        with ScriptedServer(Staircase.model(1.0)) as server, self.search(server, stairs, tmp_path / "a.db") as search:
            first, second = search.ask(), search.ask()
            search.tell(search.work(second))
            search.tell(search.work(first))
            while not search.spent():
                search.tell(search.work(search.ask()))
            assert search.best.score is not None
            assert search.best.score >= 2
            same(tmp_path / "a.db", search.name, stairs, server)

    def test_it_waits_while_models_rest(self, tmp_path: Path, stairs: Path) -> None:
        with (
            ScriptedServer(Staircase.model(1.0), faults=["503"]) as server,
            self.search(server, stairs, tmp_path / "a.db") as search,
        ):
            failed = search.work(search.ask())
            assert "no reply after 1 tries" in failed.reason
            search.tell(failed)
            search.tell(search.work(search.ask()))
            first, second = server.requests
            assert second.at - first.at >= 0.29

    def test_it_is_told_when_there_is_no_model_left_and_when_the_money_is_gone(
        self, tmp_path: Path, stairs: Path
    ) -> None:
        with (
            ScriptedServer("x", faults=["401"]) as server,
            self.search(server, stairs, tmp_path / "a.db") as search,
        ):
            search.tell(search.work(search.ask()))
            with pytest.raises(ModelError, match="HTTP 401"):
                search.ask()
        with (
            ScriptedServer("x") as server,
            self.search(server, stairs, tmp_path / "b.db", budget={"usd": 1e-6}) as search,
        ):
            attempt = search.work(search.ask())
            assert "does not pay for another call" in attempt.reason
            search.tell(attempt)
            with pytest.raises(ConfigError, match="1e-06 dollars: what is left"):
                search.ask()
            assert search.spent().startswith("1e-06 dollars: ")
            assert server.requests == []

    def test_a_reply_goes_to_the_attempt_that_asked(self, tmp_path: Path, stairs: Path) -> None:
        clever = Staircase.model(1.0)

        def answer(request: Request) -> Answer:
            if len(server.requests) == 1:
                Timer(0.1, interrupt).start()
                return Answer("I will not tell.", latency=0.4)
            return Answer(clever(request).text, latency=0.6)

        with ScriptedServer(answer) as server, self.search(server, stairs, tmp_path / "a.db") as search:
            first = search.ask()
            with pytest.raises(KeyboardInterrupt):
                search.work(first)
            second = search.work(search.ask())
            assert second.proposal.number == 2
            assert second.draft is not None
            assert len(server.requests) == 2
