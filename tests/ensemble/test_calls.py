"""The queue of calls by itself, with clients that do as they are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from evolve.archive import Archive
from evolve.arms import Arm
from evolve.budget import Budget
from evolve.calls import Calls
from evolve.config import BudgetConfig, Config, LlmConfig, ModelConfig
from evolve.lengths import about
from evolve.pricing import Price
from evolve.records import Attempt, Message, Metric, Prompt, Reply
from evolve.seams import CallFailed, Stop
from tests.archives import begin, proposal, seed

PROMPT = Prompt((Message("user", "Go."),))


class Scripted:
    """A client that answers, or raises, what it is told by the number of the call."""

    max_tokens = 100

    def __init__(self, *script: Reply | BaseException | Callable[[], Reply]) -> None:
        self._script = script
        self.asked = 0
        self.manner = "first"

    def parameters(self, prompt: Prompt) -> dict[str, Any]:
        return {"manner": self.manner}

    def send(self, prompt: Prompt) -> Reply:
        said = self._script[self.asked]
        self.asked += 1
        self.manner = "next"
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, Reply) else said()


class Desk:
    """A run in an archive with calls about it: ``arms`` are clients by name."""

    def __init__(self, archive: Archive, config: Config, **arms: Scripted) -> None:
        self.archive, self.run = archive, begin(archive)
        archive.resume_run(self.run, {}, {name: {} for name in arms})
        self.budget = Budget(config.budget, Metric("score", "maximize"))
        self.woken, self.notices = Event(), list[str]()
        built = {name: Arm(name, {}, 1.0, client, Price(0.0, 0.0, request=0.1)) for name, client in arms.items()}
        self.calls = Calls(archive, self.run, built, self.budget, config, wake=self.woken.set, say=self.notices.append)

    def ask(self, number: int, arm: str = "m") -> Attempt:
        attempt = Attempt(proposal(number, seed(), arm=arm))
        self.archive.asked(self.run, attempt.proposal)
        self.calls.ask(attempt, 0, PROMPT)
        return attempt

    def send(self) -> list[tuple[Attempt, Reply | Stop]]:
        with self.archive.transaction():
            known = self.calls.open()
        self.calls.send()
        return known

    def returned(self, calls: int) -> None:
        """Wait until so many calls have returned."""
        deadline = time.monotonic() + 5
        while self.calls._returned.qsize() < calls:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.archive._all("SELECT attempt, tries, state, dollars FROM replies ORDER BY id", ())


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "a.db") as opened:
        yield opened


def config(usd: float | None = None, workers: int = 4, **llm: Any) -> Config:
    return Config(budget=BudgetConfig(usd=usd), workers=workers, llm=LlmConfig(**llm))


def test_what_returns_with_a_mistake_of_ours_is_stored(archive: Archive) -> None:
    desk = Desk(archive, config(), m=Scripted(ZeroDivisionError("ours"), Reply("a"), CallFailed("b"), Reply("c")))
    for number in (1, 2, 3):
        desk.ask(number)
    desk.send()
    desk.returned(3)
    desk.ask(4)
    desk.send()
    desk.returned(4)
    with pytest.raises(ZeroDivisionError, match="ours"):
        desk.calls.collect()
    states = sorted(state for _, _, state, _ in desk.rows())
    assert states == ["done", "done", "failed", "open"]
    assert desk.calls.under_way == 0


def test_a_reply_that_cannot_be_stored_costs_no_other_one(archive: Archive) -> None:
    desk = Desk(archive, config(), m=Scripted(Reply("a", input_tokens=1 << 70), Reply("b"), Reply("c")))
    for number in (1, 2, 3):
        desk.ask(number)
    desk.send()
    desk.returned(3)
    with pytest.raises(OverflowError):
        desk.calls.collect()
    assert sorted(state for _, _, state, _ in desk.rows()) == ["done", "done", "open"]


def test_a_call_is_a_row_before_it_is_sent_and_only_the_loop_sends_it(archive: Archive) -> None:
    client = Scripted(Reply("a"))
    desk = Desk(archive, config(), m=client)
    attempt = desk.ask(1)
    with archive.transaction():
        assert desk.calls.open() == []
    assert [(state, dollars) for _, _, state, dollars in desk.rows()] == [("open", 0.1)]
    assert (client.asked, desk.budget.held_dollars, desk.budget.dollars) == (0, 0.1, 0.0)
    desk.calls.send()
    desk.returned(1)
    assert desk.woken.is_set()
    ((whose, reply),) = desk.calls.collect()
    assert whose is attempt
    assert isinstance(reply, Reply)
    assert (desk.budget.held_dollars, desk.budget.dollars, attempt.dollars) == (0.0, 0.1, 0.1)


def test_the_wait_before_another_try_is_a_share_of_a_rest(archive: Archive) -> None:
    desk = Desk(archive, config(rest=30.0), m=Scripted(CallFailed("no"), Reply("a")))
    desk.ask(1)
    desk.send()
    desk.returned(1)
    assert desk.calls.collect() == []
    assert 0.2 <= desk.calls.delay() <= 0.75, "a sixtieth of it, half to one and a half by chance"
    assert desk.send() == []
    assert desk.calls.under_way == 0


def test_a_row_holds_the_parameters_that_were_sent_with_that_try(archive: Archive) -> None:
    desk = Desk(archive, config(rest=0.01), m=Scripted(CallFailed("no beginnings"), Reply("a")))
    desk.ask(1)
    desk.send()
    desk.returned(1)
    desk.calls.collect()
    time.sleep(0.02)
    desk.send()
    desk.returned(1)
    desk.calls.collect()
    assert [row.parameters["manner"] for row in archive.conversation(desk.run, 1)] == ["first", "next"]


def test_what_waits_for_a_worker_is_not_looked_at_all_the_time(archive: Archive) -> None:
    held = Event()

    def slow() -> Reply:
        held.wait(5)
        return Reply("a")

    desk = Desk(archive, config(workers=1), m=Scripted(slow, Reply("b")))
    desk.ask(1)
    desk.ask(2)
    desk.send()
    assert desk.calls.under_way == 1
    assert desk.calls.delay() == 1.0
    held.set()
    desk.returned(1)
    desk.calls.collect()
    desk.send()
    assert desk.calls.under_way == 1, "the second, at once"
    desk.returned(1)


def test_a_call_waits_for_money_only_while_some_may_come_back(archive: Archive) -> None:
    held = Event()

    def slow() -> Reply:
        held.wait(5)
        return Reply("a")

    desk = Desk(archive, config(usd=0.15), m=Scripted(slow))
    desk.ask(1)
    desk.ask(2)
    desk.send()
    assert (desk.calls.under_way, desk.calls.broke) == (1, "")
    held.set()
    desk.returned(1)
    desk.calls.collect()
    ((_, stop),) = desk.send()
    assert isinstance(stop, Stop)
    assert desk.calls.broke == "0.15 dollars: what is left (0.05) does not pay for another call"

    desk = Desk(archive, config(usd=0.1), m=Scripted(Reply("a")))
    desk.budget.held_dollars = 1e-12  # what rounding may leave
    desk.ask(1)
    ((_, stop),) = desk.send()
    assert isinstance(stop, Stop), "nothing is under way, so nothing will come back: it must not wait for ever"


def test_attempts_of_an_arm_that_rests_wait_unless_another_can_be_asked(archive: Archive) -> None:
    quota = CallFailed("quota", retry_after=3600.0)
    desk = Desk(archive, config(), m=Scripted(quota), n=Scripted(CallFailed("no", permanent=True)))
    mine = desk.ask(1)
    desk.ask(2, "n")
    desk.send()
    desk.returned(2)
    assert [isinstance(stop, Stop) for _, stop in desk.calls.collect()] == [True]
    assert desk.calls.barred() == ("m", "n")
    assert desk.calls.ended() == ""
    assert desk.send() == [], "no other arm: it waits"
    assert any("m rests for 1800 s (it asked for 3600 s): quota" in notice for notice in desk.notices)
    desk.calls.paces["n"].ended = ""
    ((whose, stop),) = desk.send()
    assert whose is mine
    assert isinstance(stop, Stop)
    assert stop.reason == "m rests, and others can be asked: quota"


def test_limits_of_a_model_hold_beside_those_of_the_run(archive: Archive) -> None:
    desk = Desk(archive, config(workers=3), m=Scripted(*[Reply("a")] * 9))
    desk.calls.paces["m"].model = ModelConfig(concurrency=2)
    for number in (1, 2, 3):
        desk.ask(number)
    desk.send()
    assert desk.calls.under_way == 2
    assert [attempt.proposal.number for attempt in desk.calls.drop()] == [3]
    desk.returned(2)


def test_tokens_in_a_minute_are_those_that_a_service_counts_about(archive: Archive) -> None:
    desk = Desk(archive, config(), m=Scripted(*[Reply("a")] * 2))
    desk.calls.paces["m"].model = ModelConfig(tokens_per_minute=2 * (100 + about(PROMPT)))
    for number in (1, 2, 3):
        desk.ask(number)
    desk.send()
    assert desk.calls.under_way == 2
    desk.calls.drop()
    desk.returned(2)
