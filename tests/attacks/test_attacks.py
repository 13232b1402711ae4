"""Every attack on every isolated level, as this user and as one without rights: none forges, none escapes, none harms the next.

The arena (arena.py) runs in a process of its own per level and user; here its findings are held against what may happen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evolve.executor.slot import environment
from evolve.jail.levels import missing
from tests import ordinary

ARENA = Path(__file__).with_name("arena.py")
PROGRAMS = ARENA.with_name("programs")
HONEST = "honest"
ATTACKS = sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != HONEST)

FAILS = {"crash"}
REFUSED = {"protocol"}
HANGS = {"timeout"}
GREEDY = {"ok", "memory", "crash", "timeout"}
"""A bomb is denied what it asks for, or ended: which of the two depends on the level and on what the system counts."""
MANY = {"ok", "crash"}

STATUSES: Mapping[str, set[str]] = {
    "answer_bomb": REFUSED,
    "answer_early": REFUSED,
    "answer_half": HANGS,
    "answer_huge": REFUSED,
    "answer_judge_error": REFUSED,
    "answer_twice": REFUSED,
    "answer_with_score": REFUSED,
    "daemon_exec": FAILS,
    "deep_value": REFUSED,
    "disk": MANY,
    "disk_closed": MANY,
    "disk_deep": MANY,
    "disk_hidden": MANY,
    "endless_import": HANGS,
    "endless_loop": HANGS,
    "endless_output": HANGS,
    "endless_sleep": HANGS,
    "endless_value": REFUSED,
    "forge_exit": FAILS,
    "forge_printing": REFUSED,
    "forge_result_files": FAILS,
    "forge_sys_exit": FAILS,
    "fork_bomb": MANY,
    "lying_class": FAILS | REFUSED,
    "lying_keys": REFUSED,
    "lying_numbers": FAILS | REFUSED,
    "memory_bytes": GREEDY,
    "memory_in_files": GREEDY,
    "memory_inodes": GREEDY,
    "memory_of_children": GREEDY,
    "memory_page_tables": GREEDY,
    "memory_shared": GREEDY,
    "not_a_number": REFUSED,
    "object_array": REFUSED,
    "patch_modules": REFUSED,
    "patch_runner": REFUSED,
    "pickled_object": REFUSED,
    "stop_itself": HANGS,
    "thread_bomb": MANY,
}
"""How an attack may be judged; what is not named must be ``ok``, with what an honest program scores or less."""


@cache
def outcomes(level: str, user: str) -> Mapping[str, dict[str, Any]]:
    """Run the arena once and return what became of each attack."""
    command = [sys.executable, "-P", str(ARENA), level]
    if user == "nobody":
        command = ordinary.as_nobody(command)
    variables = environment()
    variables["PYTHONPATH"] = os.pathsep.join((str(ARENA.parents[2]), variables.get("PYTHONPATH", "")))
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return {found["attack"]: found for found in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(params=["this user", "nobody"])
def user(request: pytest.FixtureRequest) -> str:
    """Who judges: the user who runs the tests, and one without rights."""
    if request.param == "nobody" and not ordinary.possible():
        pytest.skip("only root can become an ordinary user, and needs mounts for it")
    return str(request.param)


@pytest.fixture(params=["namespaces", "landlock"])
def level(request: pytest.FixtureRequest) -> str:
    """The levels whose scores are isolated."""
    if why := missing(request.param):
        pytest.skip(why)
    return str(request.param)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(level: str, user: str, name: str) -> None:
    outcome = outcomes(level, user)[name]
    assert outcome["breaches"] == []
    assert outcome["status"] in STATUSES.get(name, {"ok"}), outcome["error"]
    assert outcome["honest"] == ""


def test_every_attack_says_what_it_tries() -> None:
    assert set(STATUSES) <= set(ATTACKS)
    for name in ATTACKS:
        assert (PROGRAMS / f"{name}.py").read_text().startswith('"""')
