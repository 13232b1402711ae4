"""What other processes ask of a run while it goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from evolve import api
from evolve.archive import Archive
from evolve.budget import Budget
from evolve.cli import main
from evolve.commands import Commands
from evolve.config import BudgetConfig
from evolve.errors import ArchiveError
from evolve.records import Attempt, Metric
from evolve.replay import replay
from evolve.task import load
from evolve.testing import Answer, ScriptedServer, Staircase
from tests.archives import fill

SMALL: dict[str, Any] = {
    "task": "math/circle_packing",
    "seed": 1,
    "executor": "inline",
    "settings": {"arms": {"builtin/mutate": 1.0}},
}


class After:
    """Asks something of the run after so many told attempts, as another process would: through a connection of its own."""

    def __init__(self, db: Path, asked: dict[int, tuple[str, str]]) -> None:
        self.db, self.asked, self.told, self.notices = db, asked, 0, list[str]()

    def __call__(self, attempt: Attempt) -> None:
        self.told += 1
        if self.told in self.asked:
            kind, text = self.asked[self.told]
            with Archive(self.db, create=False) as archive:
                archive.command(archive.run().name, kind, text, "page")  # type: ignore[arg-type]

    def notice(self, text: str) -> None:
        self.notices.append(text)


def test_a_stop_ends_a_run_as_ctrl_c_would(tmp_path: Path) -> None:
    db = tmp_path / "e.db"
    done = api.run(**SMALL, evaluations=400, db=db, observers=[After(db, {2: ("stop", "")})])
    assert done.reason == "stopped from the page"
    with Archive(db) as archive:
        info = archive.run()
        assert (info.state, info.reason) == ("stopped", "stopped from the page")
        assert info.evaluations < 400
        [command] = archive.commands(info.name)
        assert command.taken_at is not None
        assert command.told is not None
        assert command.told >= 2
    again = api.resume(db=db, evaluations=info.evaluations + 3)
    assert again.reason.startswith(f"{info.evaluations + 3} evaluations")


def test_a_pause_begins_nothing_and_stops_the_clock(tmp_path: Path) -> None:
    db = tmp_path / "e.db"
    observer = After(db, {1: ("pause", "")})
    counts: list[int] = []

    def watch() -> None:
        with Archive(db) as archive:
            while not counts:
                time.sleep(0.05)
                try:
                    paused = archive.paused(archive.run().name)
                except ArchiveError:
                    continue
                if paused:
                    time.sleep(0.3)  # what is at the judge ends
                    counts.append(archive.counted(archive.run().name))
            time.sleep(1.2)
            counts.append(archive.counted(archive.run().name))
            archive.command(archive.run().name, "continue")

    Archive(db).close()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began = time.monotonic()
    done = api.run(**SMALL, evaluations=60, db=db, observers=[observer])
    took = time.monotonic() - began
    watcher.join(20)
    assert counts[0] == counts[1] < 60
    assert done.reason == "60 evaluations"
    with Archive(db) as archive:
        assert archive.run().seconds < took - 1.2
        assert not archive.paused(archive.run().name)
        assert replay(archive, archive.run().name, load("math/circle_packing")).differences == ()
    assert observer.notices[0].startswith("paused from the page; `evolve pause circle_packing-1 --off`")
    assert observer.notices[1].startswith("goes on")


def test_a_pause_sends_no_calls(tmp_path: Path) -> None:
    """Those that wait for their turn, and further turns of conversations, wait until it goes on."""
    db, counts = tmp_path / "e.db", list[int]()
    clever = Staircase.model(0.5, seed=3)
    stairs = Staircase.write(tmp_path / "stairs")

    def watch() -> None:
        with Archive(db) as archive:
            while not archive.runs() or not archive.paused(archive.run().name):
                time.sleep(0.02)
            time.sleep(0.6)  # what is asked already ends
            counts.append(len(server.requests))
            time.sleep(1.2)
            counts.append(len(server.requests))
            archive.command(archive.run().name, "continue")

    with ScriptedServer(lambda request: Answer(clever(request).text, latency=0.4), price=(1.0, 2.0)) as server:
        model = {"model": f"openai/a@{server.url}", "concurrency": 1, "price_input": 1.0, "price_output": 2.0}
        settings = {"arms": {}, "models": {"a": {**model, "max_tokens": 600}}}
        Archive(db).close()
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        given: dict[str, Any] = {"db": db, "seed": 1, "executor": "inline", "workers": 6, "evaluations": 7}
        done = api.run(stairs, **given, settings=settings, observers=[After(db, {1: ("pause", "")})])
        watcher.join(20)
        assert done.reason == "7 evaluations"
        assert counts[0] == counts[1] < len(server.requests)


def test_hints_stand_in_prompts_from_then_on_and_are_replayed(tmp_path: Path) -> None:
    db = tmp_path / "e.db"
    told = {2: ("hint", "Mind the corners.\nAll of them."), 5: ("hint", "Use <b>symmetry</b>."), 9: ("withdraw", "1")}
    price = {"price_input": 1.0, "price_output": 2.0, "max_tokens": 600}
    stairs = Staircase.write(tmp_path / "stairs")
    with ScriptedServer({"a": Staircase.model(0.5, seed=3)}) as server:
        settings = {"arms": {}, "models": {"a": {"model": f"openai/a@{server.url}", **price}}}
        given: dict[str, Any] = {"db": db, "seed": 1, "executor": "inline", "workers": 1, "slots": 1}
        api.run(stairs, **given, tokens=60_000, settings=settings, observers=[After(db, told)])
    with Archive(db) as archive:
        name = archive.run().name
        asked = [row.prompt.messages[-1].text for n in range(1, 40) for row in archive.conversation(name, n)]
        hinted = ["Mind the corners.\n  All of them." in text for text in asked]
        assert not hinted[0]
        assert any(hinted)
        assert not hinted[-1]
        assert "Use <b>symmetry</b>." in asked[-1]
        assert [hint.text for hint in archive.hints(name)] == ["Use <b>symmetry</b>."]
        assert replay(archive, name, load(stairs)).differences == ()


def test_a_resume_is_not_held_by_what_nobody_acted_on(tmp_path: Path) -> None:
    db = tmp_path / "e.db"
    api.run(**SMALL, evaluations=3, db=db)
    with Archive(db) as archive:
        name = archive.run().name
        archive.finish(name, "running", "", 1.0)  # as if the driver had been killed
        for kind in ("pause", "stop"):
            archive.command(name, kind)
    assert api.resume(db=db, evaluations=6).reason == "6 evaluations"
    with Archive(db) as archive:
        assert {command.outcome for command in archive.commands(name)} == {"void: the run was begun again"}


class TestEnding:
    """Once a run is to end, what is under way must end: a pause would keep it from the judge for ever."""

    @pytest.fixture
    def asked(self, tmp_path: Path) -> Any:
        with Archive(tmp_path / "a.db") as archive:
            run = fill(archive)
            drained: list[str] = []
            budget = Budget(BudgetConfig(), Metric("score", "maximize"))
            commands = Commands(archive, run, budget, drained.append, lambda text: None)
            yield archive, run, budget, commands, drained

    def test_ctrl_c_ends_a_pause(self, asked: Any) -> None:
        archive, run, budget, commands, _ = asked
        archive.command(run, "pause")
        commands.take(3, ending=False)
        assert commands.paused
        assert budget.paused_at is not None
        commands.take(3, ending=True)
        assert not commands.paused
        assert budget.paused_at is None

    def test_no_pause_follows_a_stop(self, asked: Any) -> None:
        archive, run, _, commands, drained = asked
        for kind in ("stop", "pause"):
            archive.command(run, kind)
        commands.take(3, ending=False)
        assert drained == ["stopped from the python"]
        assert not commands.paused
        assert not archive.paused(run)
        assert archive.commands(run)[0].outcome == "void: the run ends"

    def test_a_run_that_began_again_is_not_paused(self, asked: Any) -> None:
        archive, run, _, commands, _ = asked
        archive.command(run, "pause")  # which nobody acted on
        commands.begin(3)
        assert not archive.paused(run)
        archive.command(run, "pause")
        commands.take(4, ending=False)
        assert archive.paused(run)
        archive.command(run, "stop")  # when its driver was gone
        commands.begin(4)
        assert not archive.paused(run)

    def test_ctrl_c_ends_a_paused_run_with_work_that_was_not_begun(self, tmp_path: Path) -> None:
        db, interrupts = tmp_path / "e.db", list[threading.Timer]()

        class Interrupting(After):
            def notice(self, text: str) -> None:
                super().notice(text)
                for delay in (0.5, 20.0):  # the second stops at once a run that hangs
                    interrupts.append(threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)))
                    interrupts[-1].start()

        settings = {"arms": {"builtin/tune": 1.0}, "slots": 2}
        given: dict[str, Any] = {**SMALL, "executor": "local", "settings": settings}
        try:
            done = api.run(**given, evaluations=400, db=db, observers=[Interrupting(db, {2: ("pause", "")})])
        finally:
            for timer in interrupts:
                timer.cancel()
        assert done.reason == "interrupted"


class TestAsking:
    def test_only_a_run_that_goes_on_can_be_paused(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "a.db") as archive:
            run = fill(archive)
            archive.command(run, "pause")
            archive.finish(run, "done", "enough", 1.0)
            with pytest.raises(ArchiveError, match="is done, so there is nothing to pause; `evolve resume"):
                archive.command(run, "pause")
            archive.command(run, "hint", "still possible")

    @pytest.mark.parametrize(
        ("kind", "text", "why"),
        [
            ("hint", " ", "a hint needs words"),
            ("hint", "x" * 2001, "at most 2000 characters"),
            ("withdraw", "7", "has no hint '7' in force; its hints: none"),
            ("withdraw", "9" * 5000, "has no hint '9{40}' in force"),
            ("pause", "now", "takes no text"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, tmp_path: Path, kind: Any, text: str, why: str) -> None:
        with Archive(tmp_path / "a.db") as archive:
            run = fill(archive)
            with pytest.raises(ArchiveError, match=why):
                archive.command(run, kind, text)
            with pytest.raises(ArchiveError, match="has no run 'nobody'"):
                archive.command("nobody", kind, text)
            assert archive.commands(run) == []

    def test_a_hint_is_named_by_its_number_alone(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "a.db") as archive:
            run = fill(archive)
            assert archive.command(run, "hint", "mind the corners") == 1
            with pytest.raises(ArchiveError, match="has no hint '١' in force; its hints: 1"):
                archive.command(run, "withdraw", "١")  # 1 for Python, 0 for SQLite
            assert len(archive.hints(run)) == 1

    def test_hints_are_bounded(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "a.db") as archive:
            run = fill(archive)
            for n in range(10):
                archive.command(run, "hint", f"hint {n}")
            with pytest.raises(ArchiveError, match="10 hints in force: withdraw one first"):
                archive.command(run, "hint", "one too many")


def test_the_clock_of_the_ledger_stands_still() -> None:
    now = [0.0]
    budget = Budget(BudgetConfig(hours=1.0), Metric("score", "maximize"), clock=lambda: now[0])
    now[0] = 10.0
    budget.pause()
    now[0] = 5000.0
    budget.pause()
    assert budget.seconds == 10.0
    assert not budget.over()
    budget.go_on()
    budget.go_on()
    now[0] = 5005.0
    assert budget.seconds == 15.0


class TestVerbs:
    def test_hints_are_given_listed_and_withdrawn(self, tmp_path: Path) -> None:
        with Archive(tmp_path / "a.db") as archive:
            fill(archive)

        def call(*words: str) -> Result:
            return CliRunner().invoke(main, [*words, "--db", str(tmp_path / "a.db")])

        assert "has no hint in force" in call("hint").output
        assert "Mind the corners" in call("hint", "Mind the corners").output
        assert '"text": "Mind the corners"' in call("hint", "--json").output
        assert "has no hint in force" in call("hint", "--withdraw", "1").output
        assert call("hint", "--withdraw", "1").exit_code == 1

    def test_a_driver_that_is_gone_is_told_of(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("evolve.cli.steer.PATIENCE", 0.1)
        with Archive(tmp_path / "a.db") as archive:
            run = fill(archive)
        said = CliRunner().invoke(main, ["pause", run, "--db", str(tmp_path / "a.db")])
        assert said.exit_code == 0
        assert "its driver has not answered yet" in said.output
        said = CliRunner().invoke(main, ["stop", "--json", "--db", str(tmp_path / "a.db")])
        assert '"taken_at": null' in said.output
