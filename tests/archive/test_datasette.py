"""The ready-made queries of `archive/datasette.json`, asked through Datasette itself."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

import evolve
from evolve import resources
from evolve.archive import Archive
from evolve.records import Evaluation, Metric
from evolve.testing import ScriptedServer, SimulatedLLM
from tests import archives

CONFIG: dict[str, Any] = json.loads((resources.folder("archive") / "datasette.json").read_text("utf-8"))
QUERIES: dict[str, Any] = CONFIG["databases"]["evolve"]["queries"]
SEED = """\
def total(n):
    s = 0.5
    for k in range(n):
        s = s + 0.25 * k
    return s
"""
EVALUATE = """\
from evolve import Result


def evaluate(candidate):
    value = float(candidate.call("total", 4))
    return Result(min(value, 1e6), {"digits": len(str(value))}, f"a total of {value}")


def validate(candidate):
    return float(candidate.call("total", 5))
"""


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the queries ask for, of a real run with a model, failures, reviews and a hint; and where its archive is."""
    folder = tmp_path_factory.mktemp("night")
    task = folder / "sum"
    task.mkdir()
    (task / "task.toml").write_text('brief = "Return a large sum."\n[metrics.digits]\ndirection = "minimize"\n')
    (task / "initial.py").write_text(SEED)
    (task / "evaluate.py").write_text(EVALUATE)
    db = folder / "evolve.db"
    with ScriptedServer(SimulatedLLM(skill=0.7), price=(0.25, 2.0)) as server:
        model = {"model": f"openai/scripted@{server.url}", "price_input": 0.25, "price_output": 2.0}
        settings = {"models": {"simulated": model}, "executor": "inline", "slots": 1}
        run = evolve.run(task, evaluations=40, seed=0, settings=settings, db=db)
    with Archive(db) as archive:
        archive.command(run.name, "hint", "Think of the constants.")
        (attempt,) = archive._one("SELECT attempt FROM replies LIMIT 1")
        parent = archive.seeds(run.name)[0][0].id
    return {"run": run.name, "attempt": attempt, "words": "total", "db": db, "id": parent}


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def asked(db: Path, path: str) -> Any:
    """Return what Datasette answers."""
    datasette = pytest.importorskip("datasette.app")

    async def ask() -> Any:
        served = datasette.Datasette([str(db)], metadata=CONFIG)
        await served.invoke_startup()
        return await served.client.get(path)

    reply = asyncio.run(ask())
    gc.collect()  # it leaves connections open, which Python 3.13 tells of: here, where that is forgiven
    return reply


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_answers_with_rows(name: str, values: dict[str, Any]) -> None:
    given = urlencode({key: values[key] for key in ("run", "attempt", "id", "words")} | {"_shape": "objects"})
    reply = asked(values["db"], f"/evolve/{name}.json?{given}")
    assert reply.status_code == 200, reply.text
    assert reply.json()["ok"], reply.text
    assert reply.json()["rows"], "an empty page"


def test_every_query_has_a_title_and_is_listed(values: dict[str, Any]) -> None:
    page = asked(values["db"], "/evolve").text
    titles = [query["title"] for query in QUERIES.values()]
    assert len(set(titles)) == len(QUERIES) == 19
    assert all(title in page for title in titles)


def test_answers_are_those_of_the_archive(values: dict[str, Any]) -> None:
    def rows(name: str) -> list[dict[str, Any]]:
        given = urlencode({"run": values["run"], "_shape": "objects"})
        found: list[dict[str, Any]] = asked(values["db"], f"/evolve/{name}.json?{given}").json()["rows"]
        return found

    with Archive(values["db"]) as archive:
        best, info = archive.best(1)[0], archive.run()
        spent = {item.arm: item for item in archive.spend(info.name)}
        dollars = sum(item.dollars or 0.0 for item in spent.values())
    assert rows("best")[0]["score"] == best.score
    assert rows("runs")[0]["evaluations"] == info.evaluations == 40
    assert sum(row["dollars"] or 0.0 for row in rows("cost")) == pytest.approx(dollars)
    assert dollars > 0
    assert {row["arm"] for row in rows("arms_over_time")} >= {"simulated"}
    assert {row["purpose"] for row in rows("reviews")} >= {"validate"}
    assert rows("asked")[0]["text"] == "Think of the constants."
    assert rows("trust")[0]["integrity"] == "same-process"
    assert best.id in {row["id"] for row in rows("pareto")}


@pytest.mark.parametrize("directions", ["", "+", "-", "+-", "-+-", "+-+-"])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_front_is_that_of_the_view(tmp_path: Path, direction: Any, directions: str) -> None:
    """Of up to three metrics beside the score it is found by another way, which is quick for many programs."""
    rng = Random(len(directions))
    metrics = tuple(Metric(f"m{n}", "maximize" if sign == "+" else "minimize") for n, sign in enumerate(directions))
    with Archive(tmp_path / "a.db") as archive:
        run = archive.create_run("a", archives.task(direction=direction, metrics=metrics), 5, {}).name
        archive.seeded(run, archives.seed(), Evaluation("ok", 1.0), 1)
        for number in range(1, 60):
            values = {one.name: float(rng.randrange(6)) for one in metrics if rng.random() < 0.9}
            seen = Evaluation("ok", float(rng.randrange(6)), values) if rng.random() < 0.9 else Evaluation("crash")
            archives.tell(
                archive, run, archives.judge(archives.drafted(number, archives.seed(), f"x = {number}\n"), seen)
            )
        expected = {id for (id,) in archive._all("SELECT id FROM pareto WHERE run = ?", (run,))}
        found = [row[0] for row in archive._all(QUERIES["pareto"]["sql"], {"run": run})]
    assert set(found) == expected
    assert len(found) == len(expected)
