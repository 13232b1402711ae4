"""Runs that ask models, against a real server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evolve import api
from evolve.archive import Archive
from evolve.errors import ConfigError, ModelError
from evolve.replay import replay
from evolve.task import load
from evolve.testing import Request, ScriptedServer, SimulatedLLM, Staircase
from tests.archives import rows
from tests.ensemble.conftest import Launch, model


def test_a_run_climbs_the_stairs_and_keeps_all_it_was_told(launch: Launch, tmp_path: Path) -> None:
    with ScriptedServer(Staircase.model(1.0), price=(1.0, 2.0)) as server:
        done = launch({"m": model(server.url)}, evaluations=20)
        assert done.reason == "20 evaluations"
        assert done.best.score is not None
        assert done.best.score >= 4
        with Archive(tmp_path / "a.db", create=False) as archive:
            dollars, tokens = archive.spent(done.name)
            assert dollars == pytest.approx(server.bill)
            assert tokens == server.tokens
        kept = rows(tmp_path / "a.db", "SELECT count(*) FROM replies WHERE state = 'done'")
        assert kept == [(server.served,)]


def test_circle_packing_against_the_scripted_server(tmp_path: Path) -> None:
    with ScriptedServer(
        {"a": SimulatedLLM(0.9), "b": SimulatedLLM(0.2, error_rate=0.5, seed=1)}, prefill=True
    ) as server:
        settings = {"arms": {}, "models": {name: model(server.url, name, max_tokens=2000) for name in ("a", "b")}}
        done = api.run(
            "math/circle_packing", evaluations=30, seed=0, db=tmp_path / "a.db", settings=settings, workers=2, slots=2
        )
    assert done.info.evaluations == 30
    assert done.best.score is not None
    assert done.best.score > 0.98
    assert done.best.arm in ("a", "b")
    with Archive(tmp_path / "a.db", create=False) as archive:
        assert replay(archive, done.name, load("math/circle_packing")).differences == ()
    ways = dict(rows(tmp_path / "a.db", "SELECT operator, count(*) FROM attempts GROUP BY operator"))
    assert {"diff", "full", "cross"} <= set(ways)


def test_replay_of_four_workers_and_two_hundred_attempts_asks_nobody(
    launch: Launch, tmp_path: Path, stairs: Path
) -> None:
    with ScriptedServer(Staircase.model(0.5, error_rate=0.2, latency=(0.0, 0.02))) as server:
        done = launch({"m": model(server.url)}, evaluations=200, workers=4)
        asked = len(server.requests)
        with Archive(tmp_path / "a.db", create=False) as archive:
            found = replay(archive, done.name, load(stairs))
        assert found.differences == ()
        assert found.attempts >= 200
        assert len(server.requests) == asked
    crossed = "SELECT count(*) FROM attempts WHERE drafted_before > told_before"
    assert rows(tmp_path / "a.db", crossed)[0][0] > 50, "drafts overtook each other, so the order mattered"


def test_equal_requests_are_answered_from_a_recording(launch: Launch, tmp_path: Path) -> None:
    judged: dict[str, Any] = {"settings": {"cache": False}, "workers": 1}
    with ScriptedServer(Staircase.model(0.6), price=(1.0, 2.0)) as server:
        first = launch({"m": model(server.url)}, evaluations=12, name="first", **judged)
        asked, bill = len(server.requests), server.bill
        second = launch({"m": model(server.url)}, evaluations=12, name="second", replay_from="first", **judged)
        assert (len(server.requests), server.bill) == (asked, bill)
        assert second.best.digest == first.best.digest
        third = launch({"m": model(server.url)}, evaluations=14, name="third", replay_from="first", **judged)
        assert third.info.evaluations == 14
        assert len(server.requests) > asked, "what was never recorded is asked"
    with Archive(tmp_path / "a.db", create=False) as archive:
        assert archive.spent("second") == (0.0, 0)
        assert archive.run("second").config["replay_from"] == "first", "so that a resume goes on with it"
        assert archive.spent("third")[0] == pytest.approx(server.bill - bill)


def test_crashed_children_are_offered_for_repair_once(launch: Launch, tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        level = "7" if "ZeroDivisionError" in request.text else "1 / 0"
        code = f"# EVOLVE-BLOCK-START\nSPARE = {len(server.requests)}\ndef level():\n    return {level}\n# EVOLVE-BLOCK-END"
        return f"Idea: try.\n```python\n{code}\n```\n"

    with ScriptedServer(answer) as server:
        done = launch({"m": model(server.url, operators=["full", "fix"])}, evaluations=12, workers=1)
    fixed = rows(tmp_path / "a.db", "SELECT parent FROM attempts WHERE operator = 'fix'")
    assert fixed
    assert len(set(fixed)) == len(fixed), "no program is repaired twice"
    assert done.best.operator == "fix"
    assert done.best.score == 7


def test_a_price_that_is_unknown_and_a_cap_without_models_are_usage_errors(launch: Launch) -> None:
    with ScriptedServer("") as server:
        with pytest.raises(ConfigError, match="no price of 'm' is known"):
            launch({"m": model(server.url, price_input=None, price_output=None)}, usd=1.0)
        with pytest.raises(ConfigError, match="there is no model"):
            launch({}, usd=1.0, settings={"arms": {"builtin/tune": 1.0}})
        assert server.requests == []


def test_a_dollar_cap_ends_the_run_and_is_never_exceeded(launch: Launch) -> None:
    with ScriptedServer(Staircase.model(0.5), price=(1.0, 2.0)) as server:
        done = launch({"m": model(server.url)}, usd=0.05, evaluations=None)
        assert done.reason.startswith("0.05 dollars: what is left")
        assert 0.03 < server.bill <= 0.05


def test_a_run_whose_models_all_ended_says_so_and_loses_nothing(launch: Launch, tmp_path: Path) -> None:
    with ScriptedServer("x", faults=lambda n, request: "401") as server:
        with pytest.raises(ModelError, match="HTTP 401"):
            launch({"m": model(server.url)}, workers=1)
        assert len(server.requests) == 1
    with Archive(tmp_path / "a.db", create=False) as archive:
        assert archive.run().state == "stopped"
        assert archive.best(1)[0].operator == "seed"


def test_without_models_a_run_goes_on_if_it_is_told_to(launch: Launch) -> None:
    with ScriptedServer("x", faults=lambda n, request: "401") as server:
        settings = {"arms": {"builtin/mutate": 1.0}, "llm": {"without": "continue"}}
        done = launch({"m": model(server.url)}, evaluations=12, settings=settings)
    assert done.reason == "12 evaluations"


def test_a_run_waits_while_all_its_models_rest(launch: Launch, tmp_path: Path) -> None:
    with ScriptedServer(Staircase.model(1.0), faults=["503"] * 12) as server:
        done = launch({"m": model(server.url)}, evaluations=6, workers=2, settings={"llm": {"rest": 0.05, "tries": 3}})
    assert done.info.evaluations == 6
    failed = rows(tmp_path / "a.db", "SELECT count(*), sum(dollars) FROM replies WHERE state = 'failed'")
    assert failed == [(12, 0.0)]
