from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from evolve import discover
from evolve.cli.models import models
from evolve.client.providers import KEYS
from evolve.discover import Found, on_this_machine
from evolve.testing.server import ScriptedServer


@pytest.fixture(autouse=True)
def nothing_usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the servers nor the keys of whoever runs the tests."""
    monkeypatch.setattr(discover, "PORTS", {})
    for name in (name for names in KEYS.values() for name in names):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(models, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_server_lists_its_models_as_they_are_given_to_a_run() -> None:
    with ScriptedServer("x", models=("a/b:c", "d")) as server:
        listed = json.loads(run("--port", str(server.port), "--json"))
        plain = run("--port", str(server.port))
    assert [each["model"] for each in listed["models"]] == [f"openai/a/b:c@{server.url}", f"openai/d@{server.url}"]
    assert listed["services"] == []
    assert f"openai/d@{server.url}" in plain


def test_a_usual_port_tells_which_server_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer("x") as server:
        monkeypatch.setattr(discover, "PORTS", {server.port: "llama.cpp"})
        assert on_this_machine() == [Found(f"openai/scripted@{server.url}", "llama.cpp")]


def test_services_are_told_by_the_name_of_their_variable_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GROQ_API_KEY=canary-0123456789\n")
    monkeypatch.setenv("GROQ_API_KEY", "")  # put back at the end
    monkeypatch.delenv("GROQ_API_KEY")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-9876543210")
    listed = run("--json")
    assert json.loads(listed)["services"] == [
        {"service": "anthropic", "key": "ANTHROPIC_API_KEY"},
        {"service": "groq", "key": "GROQ_API_KEY"},
    ]
    assert "canary" not in listed + run()
    assert "GROQ_API_KEY" in run()


def test_where_there_is_nothing_it_says_what_to_do() -> None:
    for arguments in ((), ("--port", "1")):
        output = run(*arguments)
        assert "ollama pull" in output
        assert ".env" in output
    assert json.loads(run("--json")) == {"models": [], "services": []}
