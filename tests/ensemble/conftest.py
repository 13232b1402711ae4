"""Shared by the tests of runs that ask models: the staircase task, and runs on it against a scripted server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve import api
from evolve.testing import Staircase

MODEL: Mapping[str, Any] = {"price_input": 1.0, "price_output": 2.0, "max_tokens": 600, "timeout": 20}
"""What a model of these tests costs and may do, where a test says nothing else."""

Launch = Callable[..., api.Run]


def model(url: str, name: str = "scripted", **settings: Any) -> dict[str, Any]:
    """Return the settings of the model ``name`` at the server."""
    return {**MODEL, "model": f"openai/{name}@{url}", **settings}


@pytest.fixture
def stairs(tmp_path: Path) -> Path:
    """The staircase as a task folder."""
    return Staircase.write(tmp_path / "stairs")


@pytest.fixture
def launch(stairs: Path, tmp_path: Path) -> Launch:
    """Run the staircase inline, with the given models and no built-in arm, in one archive."""

    def launched(models: Mapping[str, Any], *, settings: Mapping[str, Any] | None = None, **arguments: Any) -> api.Run:
        wanted = {"arms": {}, "models": dict(models), "llm": {"rest": 0.05}, **(settings or {})}
        given = {"db": tmp_path / "a.db", "seed": 0, "executor": "inline", "evaluations": 20, **arguments}
        return api.run(stairs, settings=wanted, **given)

    return launched
