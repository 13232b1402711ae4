from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evolve import arms
from evolve.config import Config, LlmConfig
from evolve.errors import ConfigError
from evolve.records import Task
from evolve.seams import Writer
from tests import prompts


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.delenv("OLLAMA_API_BASE", raising=False)
    return prompts.task(tmp_path / "task", {"initial.py": prompts.MARKED})


def config(models: dict[str, Any], **budget: Any) -> Config:
    return Config.model_validate({"models": models, "budget": budget})


def test_a_model_that_ollama_runs_here_needs_no_price(task: Task) -> None:
    built = arms.build(config({"ollama/qwen2.5-coder": {}}, usd=5, evaluations=150), task)
    assert built["ollama/qwen2.5-coder"].price is not None
    assert built["ollama/qwen2.5-coder"].price.free


def test_dollars_alone_cannot_end_a_run_that_costs_none(task: Task) -> None:
    free: dict[str, Any] = {"ollama/m": {}}
    paid = {"cmd:true": {"price_request": 0.1}}
    with pytest.raises(ConfigError, match="give --evaluations or --hours"):
        arms.build(config(free, usd=5), task)
    with pytest.raises(ConfigError, match="give --evaluations or --hours"):
        arms.build(config({"cmd:true": {"price_request": 0}}, usd=5), task)
    for end in ("evaluations", "tokens", "hours", "target", "patience"):
        arms.build(config(free, usd=5, **{end: 1}), task)
    arms.build(config({**free, **paid}, usd=5), task)
    arms.build(config(free, usd=5), task, asking=False)


@pytest.mark.parametrize("spec", ["ollama/m", "cmd:true"])
def test_knowledge_is_shown_or_left_out_as_a_whole(task: Task, spec: str) -> None:
    (task.root / "knowledge").mkdir()
    (task.root / "knowledge" / "hints.md").write_text("Hexagons are dense.\n")
    for shown in (True, False):
        settings = config({spec: {}}).model_copy(update={"llm": LlmConfig(knowledge=shown)})
        writer = arms.build(settings, task)[spec].operators["full"]
        assert isinstance(writer, Writer)
        parent = prompts.program(task)
        prompt = next(writer.write(prompts.proposal(parent), task, prompts.background(parent)))
        assert ("Hexagons are dense." in "".join(message.text for message in prompt.messages)) == shown


def test_a_model_that_nobody_has_and_a_command_that_is_not_there_are_told_before_the_run(task: Task) -> None:
    for name, says in (
        ("fats", "the model 'fats' is of no service that is known"),
        ("nosuch/m", "of no service that is known"),
        ("cmd:no-such-command-anywhere --task {brief}", "there is no such command here"),
        (" ", "a model needs a name"),
    ):
        with pytest.raises(ConfigError, match=says):
            arms.build(config({name: {"price_request": 0} if name.startswith("cmd") else {}}), task)
    arms.build(config({"cmd:program.py": {}, "cmd:{folder}/x": {}}), task, asking=False)
