"""Shared by all tests: a tiny task whose evaluation takes microseconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from evolve.judge import chance
from evolve.records import Task
from evolve.task import load

# Before any of them is imported: as in judges and jails, and scores depend on it.
for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

# how long one example may take says nothing on a busy machine
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

TOML = 'brief = "Return a large sum."\n[limits]\nseconds = 5\nmemory = "256 MiB"\n'
INITIAL = """\
# EVOLVE-BLOCK-START
def total(n):
    s = 0.5
    for k in range(n):
        s = s + 0.25 * k
    return s
# EVOLVE-BLOCK-END
"""
EVALUATE = """\
from evolve import Candidate, Invalid


def evaluate(candidate: Candidate):
    value = candidate.call("total", 4)
    if not isinstance(value, (int, float)):
        raise Invalid("total must return a number")
    return {"score": min(float(value), 1e6), "digits": len(str(value))}
"""


@pytest.fixture(autouse=True, scope="session")
def _chance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let candidates draw the same numbers on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        chance.place().parent.mkdir()
        chance.place().write_bytes(bytes(chance.LENGTH))
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task folder."""
    root = tmp_path / "sum"
    root.mkdir()
    for name, text in (("task.toml", TOML), ("initial.py", INITIAL), ("evaluate.py", EVALUATE)):
        (root / name).write_text(text)
    return root


@pytest.fixture
def task(folder: Path) -> Task:
    """The task in `folder`."""
    return load(folder)
