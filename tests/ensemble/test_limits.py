"""Limits of whole runs that ask models: calls at the same time, calls and tokens in a minute, and what ends a run."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from evolve import api, pace
from evolve.archive import Archive
from evolve.errors import ConfigError
from evolve.records import Attempt, Draft, Proposal, Task
from evolve.replay import replay
from evolve.seams import Stop
from evolve.task import load
from evolve.testing import Answer, Request, ScriptedServer, Staircase
from tests.archives import rows
from tests.ensemble import conftest
from tests.ensemble.conftest import Launch


def model(url: str, name: str = "scripted", **settings: Any) -> dict[str, Any]:
    """Return the settings of a model that is asked for whole programs: what it says is not what these tests are about."""
    return conftest.model(url, name, operators=["full"], **settings)


class Crowd:
    """A model that takes its time, and counts how many requests it has at once: of each model, and in all."""

    def __init__(self, seconds: float) -> None:
        self._inner = Staircase.model(1.0)
        self._seconds, self._lock = seconds, Lock()
        self._now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            for name in (request.model, "all"):
                self._now[name] += 1
                self.most[name] = max(self.most[name], self._now[name])
        time.sleep(self._seconds)
        with self._lock:
            self._now.subtract((request.model, "all"))
        return self._inner(request)


def test_no_more_requests_at_once_than_workers(launch: Launch) -> None:
    crowd = Crowd(0.05)
    with ScriptedServer(crowd) as server:
        assert launch({"m": model(server.url)}, evaluations=12, workers=3).reason == "12 evaluations"
    assert crowd.most["all"] == 3


def test_no_more_requests_of_a_model_at_once_than_it_may_have(launch: Launch) -> None:
    crowd = Crowd(0.05)
    with ScriptedServer({"a": crowd, "b": crowd}) as server:
        models = {"a": model(server.url, "a", concurrency=1), "b": model(server.url, "b")}
        launch(models, evaluations=16, workers=3, settings={"bandit": {"kind": "fixed"}})
    assert crowd.most["a"] == 1
    assert crowd.most["b"] <= 3
    assert crowd.most["all"] <= 3


@pytest.mark.parametrize("limit", [{"requests_per_minute": 2}, {"tokens_per_minute": 2800}])
def test_requests_and_tokens_in_a_minute(
    launch: Launch, tmp_path: Path, limit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MINUTE", 0.4)
    with ScriptedServer(Staircase.model(1.0)) as server:
        done = launch({"m": model(server.url, **limit)}, evaluations=5, workers=4)
    assert done.reason == "5 evaluations"
    assert [row for row in rows(tmp_path / "a.db", "SELECT state FROM replies") if row != ("done",)] == []
    opened = rows(tmp_path / "a.db", "SELECT opened_at, tokens FROM replies ORDER BY opened_at")
    for at, _ in opened:
        within = [size for other, size in opened if at - 0.3 < other <= at]
        assert len(within) <= 2
        assert sum(within) <= limit.get("tokens_per_minute", 10**9)
    assert opened[-1][0] - opened[0][0] >= 0.4 * ((len(opened) - 1) // 2) - 0.05


def test_a_target_that_is_reached_lets_calls_under_way_end_and_the_queue_wait(launch: Launch, tmp_path: Path) -> None:
    slow = Staircase.model(1.0)

    def answer(request: Request) -> Answer:
        said = slow(request)
        return Answer(said.text, latency=0.0 if len(server.requests) == 1 else 0.4)

    with ScriptedServer(answer) as server:
        done = launch({"m": model(server.url)}, target=1.0, evaluations=100, workers=2)
        assert done.reason == "target 1 reached"
        assert done.info.state == "done"
        asked = len(server.requests)
        db = tmp_path / "a.db"
        assert rows(db, "SELECT state, count(*) FROM replies GROUP BY state") == [("done", asked)]
        states = dict(rows(db, "SELECT state, count(*) FROM attempts GROUP BY state"))
        assert states["told"] == asked
        assert done.info.evaluations == asked, "what was under way was paid for, so it is judged"
        assert states.get("asked", 0) <= 1
        with Archive(db, create=False) as archive:
            assert replay(archive, done.name, load(tmp_path / "stairs")).differences == ()
        assert len(server.requests) == asked


def test_hours_end_a_run_while_calls_are_under_way(launch: Launch, tmp_path: Path) -> None:
    with ScriptedServer(Staircase.model(1.0), latency=1.3) as server:
        done = launch({"m": model(server.url)}, hours=1.0 / 3600, evaluations=None, workers=2)
        assert done.reason == f"{1 / 3600:g} hours"
        assert len(server.requests) == 2
        assert done.info.evaluations == 0, "nothing is begun any more"
        assert rows(tmp_path / "a.db", "SELECT DISTINCT state FROM replies") == [("done",)]
        assert rows(tmp_path / "a.db", "SELECT count(*) FROM attempts WHERE state = 'drafted'") == [(2,)]
        again = api.resume(done.name, db=tmp_path / "a.db", hours=1.0, evaluations=3)
        assert (again.info.evaluations, len(server.requests)) == (3, 3), "what was paid for is judged then"


def test_a_run_that_is_stopped_waits_for_no_candidate_in_line(launch: Launch, tmp_path: Path, stairs: Path) -> None:
    """Of long evaluations only those that have begun are waited for; hours end a run by the same way."""
    script, db, flag = stairs / "evaluate.py", tmp_path / "a.db", tmp_path / "slow"
    waits = f"import os, time\nSLOW = {str(flag)!r}\n{script.read_text()}"
    script.write_text(waits.replace("):\n", "):\n    time.sleep(0.4 * os.path.exists(SLOW))\n", 1))
    flag.touch()

    def stop(attempt: Attempt) -> None:
        flag.unlink(missing_ok=True)
        with Archive(db, create=False) as archive:
            if archive.run().state == "running":
                archive.command("r", "stop")

    with ScriptedServer(Staircase.model(1.0)) as server:
        given: dict[str, Any] = {"evaluations": 30, "workers": 8, "slots": 1, "executor": "local", "name": "r"}
        done = launch({"m": model(server.url)}, **given, observers=[stop])
        assert done.reason == "stopped from the python"
        made = done.info.evaluations
        assert 1 <= made <= 3
        [(left,)] = rows(db, "SELECT count(*) FROM attempts WHERE state = 'drafted'")
        assert left >= 4
        asked = len(server.requests)
        assert api.resume("r", db=db, evaluations=made + left).info.evaluations == made + left
        assert len(server.requests) == asked, "what was paid for is judged first"
        with Archive(db) as archive:
            assert replay(archive, "r", load(stairs)).differences == ()


@pytest.mark.parametrize("workers", [1, 4])
def test_models_that_give_nothing_usable_end_a_run(
    launch: Launch, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evolve.budget.EXHAUSTED_ASKED", 12)
    with ScriptedServer("I would rather not.", price=(0.0, 0.0)) as server:
        done = launch({"m": model(server.url)}, evaluations=5, workers=workers)
    assert done.reason == "no new program in 12 attempts of models"
    assert 12 <= len(rows(tmp_path / "a.db", "SELECT 1 FROM attempts WHERE state = 'told'")) <= 12 + workers


def test_calls_that_waited_are_stored_as_they_were_sent(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that refuses the beginning of a reply gets none with the calls that were in line by then."""
    monkeypatch.setattr("evolve.client.compatible._NO_BEGINNING", ("400",))
    with ScriptedServer(Staircase.model(1.0), faults=["400"]) as server:
        launch({"m": model(server.url, concurrency=1)}, evaluations=4, workers=4)
        given = [any(role == "assistant" for role, _ in request.messages) for request in server.requests]
    stored = rows(tmp_path / "a.db", "SELECT json_extract(parameters, '$.begin') IS NOT NULL FROM replies ORDER BY id")
    assert given == [bool(begun) for (begun,) in stored]
    assert given == [True, *[False] * (len(given) - 1)]


def test_tokens_of_commands_end_no_run(launch: Launch) -> None:
    agent = {"model": f"cmd:{shlex.quote(sys.executable)} -V"}
    with pytest.raises(ConfigError, match=r"no tokens of commands are counted, so 1000 would never end the run"):
        launch({"m": agent}, evaluations=None, tokens=1000)


@pytest.mark.parametrize("seed", range(3))
def test_workers_faults_and_a_cap_together(launch: Launch, tmp_path: Path, stairs: Path, seed: int) -> None:
    faults = ["429", "500", "drop", "empty", "absurd", "refusal", "bytes", None, None, None, None, None, None]
    plan = lambda n, request: faults[(n * 7 + seed * 5) % len(faults)]  # noqa: E731
    seen: list[Attempt] = []
    with ScriptedServer(
        {name: Staircase.model(0.5, error_rate=0.2, latency=(0.0, 0.02), seed=seed) for name in "ab"},
        price=(1.0, 2.0),
        faults=plan,
    ) as server:
        done = launch(
            {name: model(server.url, name, timeout=5) for name in "ab"},
            usd=0.2,
            evaluations=None,
            workers=8,
            slots=2,
            seed=seed,
            observers=[seen.append],
        )
        assert done.reason.startswith("0.2 dollars: what is left")
        assert server.bill <= 0.2
        with Archive(tmp_path / "a.db", create=False) as archive:
            dollars, tokens = archive.spent(done.name)
            assert server.bill <= dollars <= 0.2
            assert tokens >= server.tokens
            asked = len(server.requests)
            assert replay(archive, done.name, load(stairs)).differences == ()
        assert len(server.requests) == asked == len(rows(tmp_path / "a.db", "SELECT 1 FROM replies"))
    # an attempt that waited for another try when the money ended stays asked for, with its bill
    told = "SELECT total(r.dollars) FROM replies r JOIN attempts a ON r.run = a.run AND r.attempt = a.number "
    [(theirs,)] = rows(tmp_path / "a.db", told + "WHERE a.told_order IS NOT NULL")
    assert sum(attempt.dollars for attempt in seen) == pytest.approx(theirs)
    assert [attempt.proposal.number for attempt in seen] == [
        number
        for (number,) in rows(
            tmp_path / "a.db", "SELECT number FROM attempts WHERE told_order IS NOT NULL ORDER BY told_order"
        )
    ]
    assert {attempt.proposal.arm for attempt in seen} == {"a", "b"}


AGENT = r"""
import os, pathlib, re, sys
file = pathlib.Path("initial.py")
text = file.read_text()
level = int(re.search(r"^LEVEL = (\d+)", text, re.M)[1])
text = re.sub(r"^LEVEL = \d+", f"LEVEL = {level + 1}", text, flags=re.M)
text = re.sub(r"^SPARE = \d+", f"SPARE = {int.from_bytes(os.urandom(5), 'big')}", text, flags=re.M)
assert "larger number" in open(sys.argv[1]).read()
file.write_text(text)
print("one more")
"""


def test_a_command_climbs_the_stairs_under_a_dollar_cap(launch: Launch, tmp_path: Path, stairs: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    command = f"cmd:{shlex.quote(sys.executable)} {shlex.quote(str(script))} {{brief}}"
    agent = {"model": command, "price_request": 0.01, "timeout": 20}
    done = launch({"agent": agent}, usd=0.055, evaluations=None, workers=2, slots=1)
    assert done.reason.startswith("0.055 dollars: what is left")
    assert done.best.score is not None
    assert done.best.score >= 2
    assert (done.best.arm, done.best.operator) == ("agent", "full")
    db = tmp_path / "a.db"
    assert rows(db, "SELECT state, dollars, tokens, note FROM replies") == [("done", 0.01, 0, "one more")] * 5
    assert rows(db, "SELECT count(*) FROM programs WHERE number > 0") == [(5,)]
    with Archive(db, create=False) as archive:
        assert archive.spent(done.name)[0] == pytest.approx(0.05)
        assert replay(archive, done.name, load(stairs)).differences == ()


def test_a_command_that_fails_is_charged_and_given_up(launch: Launch, tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text("raise SystemExit('out of ideas')")
    agent = {"model": f"cmd:{shlex.quote(sys.executable)} {shlex.quote(str(script))}", "price_request": 0.01}
    done = launch(
        {"agent": agent}, usd=0.035, evaluations=None, workers=1, settings={"llm": {"rest": 0.05, "tries": 2}}
    )
    assert done.reason.startswith("0.035 dollars: what is left")
    db = tmp_path / "a.db"
    kept = rows(db, "SELECT attempt, tries, state, dollars, error FROM replies ORDER BY attempt, tries")
    assert [row[2:4] for row in kept] == [("uncertain", 0.01)] * 3
    assert all("exit code 1: out of ideas" in row[4] for row in kept)
    reasons = [reason for (reason,) in rows(db, "SELECT reason FROM attempts WHERE stage = 'draft'")]
    assert any("no reply after 2 tries" in reason for reason in reasons)


def test_where_time_is_scarce_no_slot_waits_for_a_model(launch: Launch, stairs: Path, tmp_path: Path) -> None:
    arms = {"arms": {"builtin/tune": 1.0}}
    with ScriptedServer(Staircase.model(1.0), latency=0.5) as server:
        models = {"m": model(server.url)}
        timed = launch(models, evaluations=None, hours=2.5 / 3600, workers=1, settings=arms)
        assert timed.reason.endswith("hours")
        with Archive(tmp_path / "a.db", create=False) as archive:
            asked = [ask.arm for ask in archive.asks(timed.name)]
            assert asked.count("builtin/tune") > 3 * asked.count("m") > 0
            assert replay(archive, timed.name, load(stairs)).differences == ()


class Idle:
    """An arm that finds nothing new."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        raise Stop("draft", "nothing to do")


def test_while_models_work_arms_that_find_nothing_are_asked_now_and_again_only(launch: Launch, tmp_path: Path) -> None:
    """Else they would fill the archive, and end the run as one in which nothing new is found."""
    clever = Staircase.model(1.0)
    with ScriptedServer(lambda request: replace(clever(request), latency=0.5)) as server:
        arms = {f"{__name__}:Idle": 1.0}
        launch({"m": model(server.url)}, hours=1, target=4.0, evaluations=None, workers=1, settings={"arms": arms})
    ((idle, asked),) = rows(tmp_path / "a.db", "SELECT sum(arm <> 'm'), sum(arm = 'm') FROM attempts")
    assert asked >= 3
    assert 1 <= idle <= 40 * asked
