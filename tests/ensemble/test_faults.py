"""Each fault of a service in a run, with exactly what becomes of it: rows, ledger, arm, attempt, replay."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from evolve import api
from evolve.archive import Archive
from evolve.errors import ConfigError, ModelError
from evolve.replay import replay
from evolve.task import load
from evolve.testing import Fault, ScriptedServer, Staircase
from evolve.testing.faults import FAULTS
from tests.ensemble import conftest
from tests.ensemble.conftest import Launch
from tests.heard import Heard

PRICE = (1.0, 2.0)
TIMEOUT = 0.6
ASKED_TO_WAIT = 0.4


def model(url: str, **settings: Any) -> dict[str, Any]:
    """Return the settings of a model that is asked for whole programs: what it says is not what these tests are about."""
    return conftest.model(url, operators=["full"], **settings)


@dataclass(frozen=True)
class Row:
    """What the first row of `replies` must be. ``cost`` is ``none``, ``exact`` (by the usage), or ``most`` (as reserved)."""

    state: str
    cost: str
    status: int | None = None
    error: str = ""
    finish: str | None = None
    note: str = ""


@dataclass(frozen=True)
class End:
    """What becomes of the first attempt: ``asked`` are (turn, tries, state) of its rows; a reason only where it has no child."""

    row: Row
    asked: tuple[tuple[int, int, str], ...] = ((0, 0, "done"),)
    reason: str = ""
    wait: float = 0.0
    rests: bool = False


def again(state: str = "failed") -> tuple[tuple[int, int, str], ...]:
    return (0, 0, state), (0, 1, "done")


CORRECTED = ((0, 0, "done"), (1, 0, "done"))
LATE = f"no whole reply within {TIMEOUT:g} s"
GOES_ON: Mapping[Fault, End] = {
    "429": End(Row("failed", "none", 429, "HTTP 429: scripted fault 429"), again()),
    "429-after": End(Row("failed", "none", 429, "HTTP 429"), again(), wait=ASKED_TO_WAIT, rests=True),
    "429-date": End(Row("failed", "none", 429, "HTTP 429"), again(), wait=ASKED_TO_WAIT, rests=True),
    "500": End(Row("failed", "none", 500, "HTTP 500: scripted fault 500"), again()),
    "503": End(Row("failed", "none", 503, "HTTP 503: scripted fault 503"), again()),
    "503-after": End(Row("failed", "none", 503, "HTTP 503"), again(), wait=ASKED_TO_WAIT, rests=True),
    "hang": End(Row("uncertain", "most", None, LATE), again("uncertain")),
    "drip": End(Row("uncertain", "most", None, LATE), again("uncertain")),
    "close": End(Row("uncertain", "most", None, "the connection broke"), again("uncertain")),
    "drop": End(Row("uncertain", "most", None, "the connection broke"), again("uncertain")),
    "truncated": End(Row("uncertain", "most", None, "not JSON, or was cut off"), again("uncertain")),
    "bytes": End(Row("uncertain", "most", None, "not UTF-8"), again("uncertain")),
    "empty": End(Row("done", "exact", finish="stop"), CORRECTED),
    "null": End(Row("done", "exact", finish="stop"), CORRECTED),
    "refusal": End(
        Row("done", "exact", finish="refusal", note="I cannot help with that."),
        reason="refused: I cannot help with that.",
    ),
    "reasoning": End(
        Row("done", "exact", finish="length"),
        reason="all tokens of the reply went into thinking; raise max_tokens or lower effort",
    ),
    "huge": End(Row("done", "exact", finish="stop"), CORRECTED),
    "absurd": End(
        Row("done", "most", finish="stop", note="implausible usage: input 1000000000000, output 1000000000000")
    ),
    "negative": End(Row("done", "most", finish="stop", note="implausible usage: input -1, output -1")),
    "no_usage": End(Row("done", "most", finish="stop")),
}
"""What does no lasting harm: the run goes on with the same model."""
ENDS: Mapping[Fault, int] = {"400": 400, "401": 401, "403": 403, "404": 404, "422": 422, "echo": 401}
"""What asking again cannot help: the arm ends."""


def test_every_fault_has_its_place() -> None:
    assert sorted([*GOES_ON, *ENDS]) == sorted(FAULTS)


@dataclass(frozen=True)
class Kept:
    """A run's rows, read with plain SQL."""

    db: Path
    run: str
    replies: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    arms: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, db: Path, run: str) -> Kept:
        with closing(sqlite3.connect(db)) as connection:
            connection.row_factory = sqlite3.Row

            def table(name: str, order: str) -> list[dict[str, Any]]:
                rows = connection.execute(f"SELECT * FROM {name} WHERE run = ? ORDER BY {order}", (run,))
                return [dict(row) for row in rows]

            arms = {row["name"]: (row["state"], row["reason"]) for row in table("arms", "name")}
            return cls(db, run, table("replies", "id"), table("attempts", "number"), arms)

    @property
    def certain(self) -> bool:
        """Whether every row costs what the service said, and so what it charged."""
        return all(row["state"] == "failed" or (row["state"] == "done" and row["input_tokens"]) for row in self.replies)

    def check(self, server: ScriptedServer, stairs: Path) -> None:
        """Check what holds of every run that has ended: nothing is open, the ledger covers the bill, the replay is the same."""
        assert all(row["state"] in ("done", "failed", "uncertain") for row in self.replies)
        assert len(self.replies) == len(server.requests), "one row for each request"
        asked = len(server.requests)
        with Archive(self.db, create=False) as archive:
            dollars, tokens = archive.spent(self.run)
            again = replay(archive, self.run, load(stairs))
        assert again.differences == ()
        assert len(server.requests) == asked
        assert dollars == pytest.approx(sum(row["dollars"] for row in self.replies), rel=1e-12)
        if self.certain:
            assert dollars == pytest.approx(server.bill, rel=1e-12)
            assert tokens == server.tokens
        else:
            assert dollars >= server.bill
            assert tokens >= server.tokens


def costs(row: dict[str, Any]) -> str:
    """Return how a row was charged, by its own columns."""
    counted, reserved = (row["dollars"], row["tokens"]), (row["reserved_dollars"], row["reserved_tokens"])
    if counted == (0.0, 0):
        return "none"
    if row["input_tokens"] is not None:
        used = row["input_tokens"] + row["output_tokens"]
        told = (row["input_tokens"] * PRICE[0] + row["output_tokens"] * PRICE[1]) / 1e6
        assert counted == (pytest.approx(told, rel=1e-12), used)
        assert told <= reserved[0]
        assert used <= reserved[1]
        return "exact"
    return "most" if counted == (pytest.approx(reserved[0], rel=1e-12), reserved[1]) else "?"


@pytest.mark.parametrize("fault", GOES_ON)
def test_a_fault_that_passes(fault: Fault, launch: Launch, tmp_path: Path, stairs: Path) -> None:
    want, told = GOES_ON[fault], Heard()
    with ScriptedServer(
        Staircase.model(1.0), price=PRICE, faults=[fault], retry_after=ASKED_TO_WAIT, patience=5
    ) as server:
        done = launch(
            {"m": model(server.url, timeout=TIMEOUT if fault in ("hang", "drip") else 20)},
            evaluations=2,
            workers=1,
            observers=[told],
            slots=1,
        )
        assert done.reason == "2 evaluations"
        assert (done.info.state, done.info.evaluations) == ("done", 2)
        kept = Kept.read(tmp_path / "a.db", done.name)
        kept.check(server, stairs)
        received = server.requests

    first = kept.replies[0]
    assert (first["state"], costs(first), first["status"], first["finish"]) == (
        want.row.state,
        want.row.cost,
        want.row.status,
        want.row.finish,
    )
    assert want.row.error in (first["error"] or "")
    assert bool(want.row.error) == bool(first["error"])
    assert (first["note"] or "") == want.row.note
    assert all((row["state"], costs(row)) == ("done", "exact") for row in kept.replies[1:])

    mine = [(row["turn"], row["tries"], row["state"]) for row in kept.replies if row["attempt"] == 1]
    assert mine == list(want.asked)
    one, *others = kept.attempts
    assert (one["stage"], one["reason"]) == (("draft", want.reason) if want.reason else (None, ""))
    assert (one["program"] is None) == bool(want.reason)
    assert all(attempt["program"] for attempt in others)
    assert len(received) == len(want.asked) + len(others)
    assert len(others) == (2 if want.reason else 1)

    assert received[1].at - received[0].at >= want.wait
    if fault == "429-date":
        assert received[1].at >= ceil(received[0].at + want.wait) - 0.05
    assert kept.arms == {"m": ("ready", "")}
    rested = [f"m rests for {ASKED_TO_WAIT:g} s: {first['error']}", "m answers again"]
    if fault == "429-date":
        assert [notice.partition(" for ")[0] for notice in told.notices] == ["m rests", "m answers again"]
    else:
        assert told.notices == (rested if want.rests else [])


@pytest.mark.parametrize("fault", ENDS)
def test_a_fault_that_lasts_ends_the_arm_and_a_resume_goes_on_once_it_is_mended(
    fault: Fault, launch: Launch, tmp_path: Path, stairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-canary-0123456789abcdef"
    monkeypatch.setenv("THE_KEY", key)
    told = Heard()
    with ScriptedServer(Staircase.model(1.0), price=PRICE, faults=lambda n, request: fault) as server:
        with pytest.raises(ModelError) as caught:
            launch(
                {"m": model(server.url, key="THE_KEY")}, evaluations=2, workers=1, slots=1, name="r", observers=[told]
            )
        kept = Kept.read(tmp_path / "a.db", "r")
        kept.check(server, stairs)
        assert len(server.requests) == 1
        assert server.requests[0].headers["authorization"] == f"Bearer {key}"
        port = server.port
    said = "Incorrect API key provided: Bearer ***" if fault == "echo" else f"scripted fault {fault}"
    reason = f"HTTP {ENDS[fault]}: {said}"
    (row,) = kept.replies
    assert (row["state"], row["status"], row["error"], costs(row)) == ("failed", ENDS[fault], reason, "none")
    assert kept.arms == {"m": ("ended", reason)}
    assert (kept.attempts[0]["state"], kept.attempts[0]["stage"], kept.attempts[0]["reason"]) == (
        "told",
        "draft",
        reason,
    )
    assert all(attempt["program"] is None for attempt in kept.attempts)
    assert told.notices == [f"m has ended: {reason}"]
    message = str(caught.value)
    assert f"m: {reason}" in message
    assert "evolve resume r" in message
    assert key not in message + "".join(map(str, kept.replies))
    assert key.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("a.db*"))
    with Archive(tmp_path / "a.db", create=False) as archive:
        assert archive.run("r").state == "stopped"

    with ScriptedServer(Staircase.model(1.0), price=PRICE, port=port) as server:
        done = api.resume("r", db=tmp_path / "a.db")
        assert (done.reason, done.info.state) == ("2 evaluations", "done")
        assert done.best.score is not None
        assert done.best.score >= 1
        after = Kept.read(tmp_path / "a.db", "r")
        assert after.arms == {"m": ("ready", "")}
        assert len(after.replies) == 1 + len(server.requests)
        with Archive(tmp_path / "a.db", create=False) as archive:
            assert replay(archive, "r", load(stairs)).differences == ()


@pytest.mark.parametrize("fault", ["401", "503", "hang", "429-after"])
def test_a_second_healthy_model_goes_on_alone(fault: Fault, launch: Launch, tmp_path: Path, stairs: Path) -> None:
    with (
        ScriptedServer("x", faults=lambda n, request: fault, retry_after=3600, patience=5) as ill,
        ScriptedServer(Staircase.model(1.0), price=PRICE) as well,
    ):
        models = {"ill": model(ill.url, timeout=0.3), "well": model(well.url)}
        settings = {"llm": {"rest": 100.0, "tries": 4 if fault == "429-after" else 1}}
        done = launch(models, evaluations=8, workers=2, slots=1, settings=settings)
        assert done.reason == "8 evaluations"
        kept = Kept.read(tmp_path / "a.db", done.name)
        assert len(kept.replies) == len(ill.requests) + len(well.requests)
        with Archive(tmp_path / "a.db", create=False) as archive:
            assert replay(archive, done.name, load(stairs)).differences == ()
    assert kept.arms["ill"][0] == ("ended" if fault == "401" else "resting")
    assert kept.arms["well"] == ("ready", "")
    assert len(ill.requests) <= 2, "those that were under way together"
    judged = [attempt for attempt in kept.attempts if attempt["program"]]
    assert {attempt["arm"] for attempt in judged} == {"well"}
    given_up = {attempt["reason"].partition(": ")[0] for attempt in kept.attempts if attempt["arm"] == "ill"}
    assert given_up <= {
        "401": {"HTTP 401", "ill has ended"},
        "503": {"no reply after 1 tries", "ill rests, and others can be asked"},
        "hang": {"no reply after 1 tries", "ill rests, and others can be asked"},
        "429-after": {"ill rests, and others can be asked"},
    }.get(fault, set())
    assert len(judged) == 8


@pytest.mark.parametrize("fault", ["404", "503", "429-after"])
def test_the_built_in_arms_go_on_where_they_are_told_to(
    fault: Fault, launch: Launch, tmp_path: Path, stairs: Path
) -> None:
    with ScriptedServer("x", faults=lambda n, request: fault, retry_after=3600) as server:
        settings = {"arms": {"builtin/mutate": 1.0}, "llm": {"rest": 100.0, "tries": 1, "without": "continue"}}
        done = launch({"m": model(server.url)}, evaluations=8, workers=1, slots=1, settings=settings)
        kept = Kept.read(tmp_path / "a.db", done.name)
        kept.check(server, stairs)
        assert len(server.requests) == 1
    assert done.reason == "8 evaluations"
    assert kept.arms["m"][0] == ("ended" if fault == "404" else "resting")
    assert {attempt["arm"] for attempt in kept.attempts if attempt["program"]} == {"builtin/mutate"}
    assert done.info.evaluations == 8


def test_a_run_ends_while_all_its_models_rest_where_it_is_told_to(launch: Launch, tmp_path: Path, stairs: Path) -> None:
    settings = {"llm": {"rest": 100.0, "tries": 2, "without": "end"}}
    with ScriptedServer("x", faults=lambda n, request: "503") as server:
        with pytest.raises(ModelError, match=r"all models rest.*evolve resume r"):
            launch({"m": model(server.url)}, workers=2, slots=1, name="r", settings=settings)
        kept = Kept.read(tmp_path / "a.db", "r")
        kept.check(server, stairs)
    assert {row["state"] for row in kept.replies} == {"failed"}
    with ScriptedServer(Staircase.model(1.0), port=server.port):
        assert api.resume("r", db=tmp_path / "a.db", evaluations=4).reason == "4 evaluations"


def test_calls_of_unknown_price_whose_end_nobody_saw_refuse_a_later_cap_too(launch: Launch, tmp_path: Path) -> None:
    unpriced = {"price_input": None, "price_output": None}
    settings = {"llm": {"rest": 100.0, "tries": 1, "without": "end"}}
    with ScriptedServer("x", faults=lambda n, request: "drop") as server, pytest.raises(ModelError):
        launch({"m": model(server.url, **unpriced)}, workers=1, slots=1, name="r", settings=settings)
    with pytest.raises(ConfigError, match=r"no price was known, so budget\.usd cannot be kept"):
        api.resume("r", db=tmp_path / "a.db", usd=1.0)


def test_a_moment_that_a_service_asks_for_is_no_rest_that_ends_a_run(launch: Launch) -> None:
    settings = {"llm": {"rest": 100.0, "without": "end"}}
    faults: list[Fault] = ["429-after"] * 2
    with ScriptedServer(Staircase.model(1.0), faults=faults, retry_after=0.1) as server:
        done = launch({"m": model(server.url)}, evaluations=2, workers=2, slots=1, settings=settings)
    assert done.reason == "2 evaluations"


@pytest.mark.parametrize("fault", ["500", "drop"])
def test_after_so_many_tries_an_attempt_is_given_up(fault: Fault, launch: Launch, tmp_path: Path, stairs: Path) -> None:
    told = Heard()
    with ScriptedServer(Staircase.model(1.0), price=PRICE, faults=[fault] * 3) as server:
        done = launch(
            {"m": model(server.url)},
            evaluations=1,
            workers=1,
            slots=1,
            settings={"llm": {"rest": 0.2, "tries": 3}},
            observers=[told],
        )
        kept = Kept.read(tmp_path / "a.db", done.name)
        kept.check(server, stairs)
    state = "failed" if fault == "500" else "uncertain"
    first = [(row["turn"], row["tries"], row["state"]) for row in kept.replies if row["attempt"] == 1]
    assert first == [(0, tries, state) for tries in range(3)]
    assert kept.attempts[0]["stage"] == "draft"
    assert kept.attempts[0]["reason"] == f"no reply after 3 tries: {kept.replies[2]['error']}"
    assert [attempt["program"] is not None for attempt in kept.attempts] == [False, True]
    assert told.notices == [f"m rests for 0.2 s: {kept.replies[2]['error']}", "m answers again"]
    spread = [
        after["opened_at"] - before["closed_at"] for before, after in zip(kept.replies, kept.replies[1:], strict=False)
    ]
    assert spread[2] >= 0.19, "it rested"
