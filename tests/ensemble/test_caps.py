"""Sixteen workers against a cap of dollars or tokens: what the server itself charged is never above it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from evolve import api
from evolve.archive import Archive
from evolve.testing import Request, ScriptedServer, Staircase
from evolve.testing.faults import Fault
from tests.archives import rows
from tests.ensemble.conftest import Launch, model
from tests.heard import Heard

RUNS = 20
FAULTS: tuple[Fault, ...] = (
    "drop",
    "close",
    "truncated",
    "hang",
    "429",
    "429-after",
    "500",
    "503",
    "no_usage",
    "absurd",
)
REST = 0.03


def plan(rng: Random, seed: int) -> dict[Fault, float]:
    """Return the share of requests that each fault spoils: none in every third run."""
    if seed % 3 == 0:
        return {}
    return {fault: rng.uniform(0.0, 0.06) for fault in rng.sample(FAULTS, 4)}


class Faulty:
    """Spoils requests by chance."""

    def __init__(self, shares: dict[Fault, float], rng: Random) -> None:
        self._shares, self._rng = shares, rng

    def __call__(self, number: int, request: Request) -> Fault | None:
        """Return what goes wrong with a request."""
        return next((fault for fault, share in self._shares.items() if self._rng.random() < share), None)


def server_of(rng: Random, seed: int, price: tuple[float, float]) -> ScriptedServer:
    """Return a server with a latency of its own for each reply, replies that cannot be used, and faults."""
    answers = Staircase.model(rng.random(), error_rate=0.2 * rng.random(), latency=(0.0, 0.02), seed=seed)
    return ScriptedServer(
        answers, price=price, faults=Faulty(plan(rng, seed), rng), prefill=True, retry_after=0.02, patience=2.0
    )


@pytest.mark.parametrize("seed", range(RUNS))
def test_the_bill_of_sixteen_workers_is_at_most_the_cap(launch: Launch, tmp_path: Path, seed: int) -> None:
    rng = Random(f"dollars/{seed}")
    price = (rng.choice((0.0, rng.uniform(0.05, 20.0))), rng.uniform(0.05, 80.0))
    most_tokens = rng.choice((60, 200, 600))
    usual = (900 * price[0] + 100 * price[1]) / 1e6  # what a call costs, about
    usd = round(usual * rng.uniform(25, 60), 6)
    with server_of(rng, seed, price) as server:
        settings = model(server.url, price_input=price[0], price_output=price[1], max_tokens=most_tokens, timeout=0.15)
        done = launch(
            {"m": settings}, usd=usd, evaluations=None, workers=16, settings={"llm": {"rest": REST}}, seed=seed
        )
        assert server.bill <= usd
        assert done.reason.startswith(f"{usd:g} dollars: what is left")
        with Archive(tmp_path / "a.db", create=False) as archive:
            dollars, _ = archive.spent(done.name)
        assert server.bill <= dollars + 1e-12
        assert dollars <= usd + 1e-12
        assert server.served > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_tokens_of_sixteen_workers_are_at_most_the_cap(launch: Launch, tmp_path: Path, seed: int) -> None:
    rng = Random(f"tokens/{seed}")
    cap = rng.randint(20_000, 60_000)
    with server_of(rng, seed, (1.0, 2.0)) as server:
        settings = model(server.url, max_tokens=rng.choice((60, 200, 600)), timeout=0.15)
        done = launch(
            {"m": settings}, tokens=cap, evaluations=None, workers=16, settings={"llm": {"rest": REST}}, seed=seed
        )
        assert server.tokens <= cap
        assert done.reason.startswith(f"{cap} tokens: what is left")
        with Archive(tmp_path / "a.db", create=False) as archive:
            _, tokens = archive.spent(done.name)
        assert server.tokens <= tokens <= cap
        assert server.served > 0


def test_a_service_that_thinks_beyond_max_tokens_is_believed_and_reserved_for(launch: Launch, tmp_path: Path) -> None:
    """What it charges for thoughts besides is paid; the cap holds from the second call on, also after a resume."""
    thought, usd, db, told = 30_000, 0.5, tmp_path / "a.db", Heard()
    clever = Staircase.model(1.0)

    with ScriptedServer(lambda request: replace(clever(request), thought=thought), price=(1.0, 2.0)) as server:
        launch({"m": model(server.url)}, usd=usd, evaluations=2, workers=1, observers=[told], name="r")
        (notice,) = told.notices
        done = api.resume("r", db=db, evaluations=1000)

    (paid, counted), *_ = rows(db, "SELECT total(dollars), min(output_tokens) FROM replies")
    first, *others = (held for (held,) in rows(db, "SELECT reserved_dollars FROM replies ORDER BY id"))
    assert paid == pytest.approx(server.bill)
    assert paid <= usd
    assert done.reason.startswith(f"{usd:g} dollars: what is left")
    assert counted > thought
    assert "600 at most" in notice
    assert first < thought * 2e-6 < min(others)
