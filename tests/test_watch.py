from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rich.console import Console

from evolve.archive import Archive
from evolve.config import BudgetConfig, Config
from evolve.executor import InlineExecutor
from evolve.loop import Loop
from evolve.records import Task
from evolve.session import start
from evolve.watch import Events, Lines, Live, Watch, clock, spark


def driven(task: Task, db: Path, watch: str) -> str:
    """Run thirty evaluations under the eyes of one watch and return what it showed."""
    config = Config(executor="inline", budget=BudgetConfig(evaluations=30))
    stream = io.StringIO()
    with Archive(db) as archive:
        name = archive.create_run("r", task, 1, config.model_dump(mode="json")).name
        executor = InlineExecutor(task)
        loop = Loop(task, archive, name, config, executor, seed=1)
        try:
            start(loop, [("seed", task.initial)])
            console = Console(file=stream, force_terminal=True, width=110, color_system=None)
            made: dict[str, Callable[[], Watch]] = {
                "lines": lambda: Lines(loop, stream),
                "events": lambda: Events(loop, stream),
                "live": lambda: Live(loop, console),
            }
            with made[watch]() as observer:
                loop.observers = (observer,)
                loop.evolve()
        finally:
            executor.close()
    return stream.getvalue()


def test_lines_report_each_new_best(task: Task, tmp_path: Path) -> None:
    lines = driven(task, tmp_path / "a.db", "lines").splitlines()
    scores = [float(line.split("best ")[1].split()[0]) for line in lines]
    assert scores == sorted(scores)
    assert all("evaluations" in line and "builtin/" in line for line in lines)


def test_events_are_json(task: Task, tmp_path: Path) -> None:
    events = [json.loads(line) for line in driven(task, tmp_path / "a.db", "events").splitlines()]
    assert [event["number"] for event in events] == sorted(event["number"] for event in events)
    assert events[-1]["evaluations"] == 30


def test_the_live_table_shows_what_matters(task: Task, tmp_path: Path) -> None:
    shown = driven(task, tmp_path / "a.db", "live")
    for word in (
        "best",
        "maximize",
        "builtin/",
        "pulls",
        "gain per evaluation",
        "evaluations 30 of 30",
        "slots",
        "left",
    ):
        assert word in shown


def test_spark_rises_to_the_right() -> None:
    assert spark([], 0, 1.0) == ""
    assert spark([(0, 1.0)], 10, 1.0, 5) == "▁▁▁▁▁"
    assert spark([(0, 1.0), (5, 2.0), (10, 3.0)], 10, 1.0, 5) == "▁▁▅▅█"
    assert spark([(0, 3.0), (10, 1.0)], 10, -1.0, 4) == "▁▁▁█"


def test_clock() -> None:
    assert [clock(s) for s in (None, 7, 200, 3720)] == ["?", "7s", "3m20s", "1h02m"]


def test_of_attempts_that_are_told_together_each_is_shown_with_its_own_score(task: Task, tmp_path: Path) -> None:
    stream = io.StringIO()
    with Archive(tmp_path / "a.db") as archive, closing(InlineExecutor(task)) as executor:
        config = Config(executor="inline", budget=BudgetConfig(evaluations=1000))
        archive.create_run("r", task, 1, config.model_dump(mode="json"))
        loop = Loop(task, archive, "r", config, executor, seed=1)
        start(loop, [("seed", task.initial)])
        watch = Lines(loop, stream)
        attempts = [loop.work(loop.ask()) for _ in range(12)]
        for attempt in attempts:
            loop.tell(attempt)
        for attempt in attempts:
            watch(attempt)
        lines = stream.getvalue().splitlines()
        scores = {program.id: program.score for program in archive.best(999)}
        assert lines
        for line in lines:
            best, program = re.findall(r"best (\S+)  (\S+) by", line)[0]
            assert scores[program] == float(best)
    assert sum(arm.bests for arm in watch.tally.arms.values()) == len(lines)
