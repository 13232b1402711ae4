from __future__ import annotations

import os
from pathlib import Path

import pytest

from evolve.estimate import Estimate, Refused, estimated
from evolve.records import Evaluation, Task
from evolve.task import load

HERE = "openai/m@http://127.0.0.1:8080/v1"
SEEN = Evaluation("ok", 1.0)


@pytest.fixture
def task(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    for name in list(os.environ):
        if "KEY" in name:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return load(folder)


def of(task: Task, name: str, settings: str = "") -> Estimate | Refused:
    Path("evolve.toml").write_text(settings, encoding="utf-8")
    return estimated(task, task.initial, SEEN, name)


def test_no_key_is_needed(task: Task) -> None:
    found = of(
        task, "strong", "[models.strong]\nmodel = 'gpt-4o'\nprice_input = 2\nprice_output = 8\nmax_tokens = 100\n"
    )
    assert isinstance(found, Estimate)
    assert found.reply_tokens == 100, "no longer than a reply may be"
    assert found.dollars is not None
    assert found.dollars == pytest.approx((found.prompt_tokens * 2 + 100 * 8) / 1e6)
    assert found.most is not None
    assert found.most > found.dollars
    assert found.plain(10)["total"] == pytest.approx(10 * found.dollars)
    assert f"${found.dollars * 10:.4g} for 10 attempts" in found.line(10)


def test_a_price_that_is_not_known_is_asked_for_by_its_right_name(task: Task) -> None:
    served, command = of(task, HERE), of(task, "cmd:agent {brief}")
    assert (served.plain(1)["dollars"], command.plain(1)["dollars"]) == (None, None)
    assert "set price_input and price_output" in served.line(1)
    assert "set price_request" in command.line(1)
    assert "price_input" not in command.line(1)


def test_a_command_costs_what_is_set_for_a_call(task: Task) -> None:
    found = of(task, "agent", "[models.agent]\nmodel = 'cmd:agent'\nprice_request = 0.25\n")
    assert isinstance(found, Estimate)
    assert (found.reply_tokens, found.dollars, found.most) == (0, 0.25, 0.25)
    assert "$2.5 for 10 attempts" in found.line(10)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("price_input = 1\n", "price_output"),
        ("weight = 0\n", "weight is 0"),
        ("operators = ['fix']\n", "name at least one of"),
        ("tries = 1\n", "unknown key"),
    ],
)
def test_a_model_that_a_run_would_refuse_says_why(task: Task, settings: str, says: str) -> None:
    found = of(task, "m", f"[models.m]\nmodel = '{HERE}'\n{settings}")
    assert isinstance(found, Refused)
    assert says in found.error
    assert says in found.line(10)
    assert found.plain(10) == {"model": "m", "error": found.error}


def test_a_key_in_a_name_is_not_shown(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789abcdef")
    for name in ("cmd:agent --key sk-0123456789abcdef", "openai/m@http://u:sk-0123456789abcdef@h/v1"):
        found = of(task, name)
        assert "sk-0123456789abcdef" not in found.line(1) + str(found.plain(1))
