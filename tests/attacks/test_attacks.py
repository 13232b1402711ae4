"""Every attack on every isolated level, as this user and as one without rights, in cold jails and in a warm one: none forges,
none escapes, none harms the next.

The arena (arena.py) runs in a process of its own per level, user and way; here its findings are held against what may happen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
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

UNPEACEFUL = {"timeout"}
"""After these ends a warm jail is never kept. A crash may be a mere exception, told in a reply that was in order."""

STATUSES: Mapping[str, set[str]] = {
    "answer_bomb": REFUSED,
    "answer_early": REFUSED,
    "answer_half": HANGS,
    "answer_huge": REFUSED,
    "answer_judge_error": REFUSED,
    "answer_twice": REFUSED,
    "answer_with_score": REFUSED,
    "daemon_exec": FAILS,
    "deep_value": REFUSED | HANGS,
    "disk": MANY,
    "disk_closed": MANY,
    "disk_deep": MANY,
    "disk_headless": MANY,
    "disk_hidden": MANY,
    "disk_in_flight": MANY,
    "disk_mapped": MANY,
    "disk_unreadable": MANY,
    "endless_import": HANGS,
    "endless_loop": HANGS,
    "endless_output": HANGS,
    "endless_sleep": HANGS,
    "endless_value": REFUSED,
    "forge_exit": FAILS,
    "forge_printing": REFUSED,
    "forge_result_files": FAILS,
    "forge_sys_exit": FAILS,
    "fork_bomb": MANY | HANGS,
    "keeper_signals": {"ok"} | HANGS,  # it floods whom it is forked from, and itself waits for that
    "legacy_files": MANY | HANGS,
    "legacy_memory": MANY | HANGS,
    "lying_class": FAILS | REFUSED,
    "lying_keys": REFUSED,
    "lying_numbers": FAILS | REFUSED,
    "memory_bytes": GREEDY,
    "memory_headless": GREEDY,
    "memory_in_files": GREEDY,
    "memory_inodes": GREEDY,
    "memory_of_children": GREEDY,
    "memory_page_tables": GREEDY,
    "memory_shared": GREEDY,
    "memory_left": GREEDY,
    "not_a_number": REFUSED,
    "object_array": REFUSED,
    "orphans_at_death": MANY | HANGS,
    "orphans_of_keeper": MANY,
    "patch_modules": REFUSED,
    "patch_runner": REFUSED,
    "pickled_object": REFUSED,
    "stop_itself": HANGS,
    "thread_bomb": MANY | HANGS,
}
"""How an attack may be judged; what is not named must be ``ok``, with what an honest program scores or less."""

QUICK = [name for name in ATTACKS if STATUSES.get(name) != HANGS]


LEVELS = ("namespaces", "landlock")
"""The levels whose scores are isolated."""
USERS = ("this user", "nobody")
WAYS = ("process", "fork")
"""Where candidates' processes come from: cold jails, or a warm one."""
COMBINATIONS = [(user, way) for user in USERS for way in WAYS if (user, way) != ("nobody", "process")]
"""To save time an ordinary user's cold jails are left out where this user is root: what is denied in a warm jail, where somebody
comes before and after, is denied in a cold one.
"""
AT_ONCE = 6
"""Arenas that run at the same time: much of what they do is to wait for a time limit."""


def run(user: str, *arguments: str) -> str:
    """Run Python as ``user`` and return what it prints."""
    command = [sys.executable, "-P", *arguments]
    if user == "nobody":
        command = ordinary.as_nobody(command)
    variables = environment()
    variables["PYTHONPATH"] = os.pathsep.join((str(ARENA.parents[2]), variables.get("PYTHONPATH", "")))
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def outcomes(level: str, user: str, way: str, names: list[str]) -> Mapping[str, Any]:
    """Return what became of some attacks, by name."""
    lines = map(json.loads, run(user, str(ARENA), level, way, *names).splitlines())
    return {outcome["attack"]: outcome for outcome in lines}


Found = Mapping[tuple[str, str, str], Future[Any]]


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Iterator[Found]:
    """By level, user and way, what became of the attacks that are to be tested; under ``doctor``, what that says. All at once."""
    wanted: dict[tuple[str, str, str], list[str]] = {}
    for item in request.session.items:
        params = getattr(item, "callspec", None) and item.callspec.params  # type: ignore[attr-defined]
        if item.path == request.path and params and not possible(params["user"]):
            names = [params["name"]] if "name" in params else QUICK
            key = params.get("level", "rlimits"), params["user"], params.get("way", "process")
            wanted.setdefault(key, []).extend(names)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures: dict[tuple[str, str, str], Future[Any]] = {}
        for (level, user, way), names in wanted.items():
            if not missing(level):  # type: ignore[arg-type]
                futures[level, user, way] = pool.submit(outcomes, level, user, way, names)
            if level == "rlimits":
                futures["doctor", user, way] = pool.submit(run, user, "-m", "evolve", "doctor", "--json")
        yield futures


def possible(user: str) -> str:
    """Return why nothing can be run as ``user`` here, or nothing."""
    if user == "nobody" and not ordinary.possible():
        return "only root can become an ordinary user, and needs mounts for it"
    return ""


def require(level: Any, user: str) -> None:
    """Skip the test where the level or the user cannot be had."""
    if why := possible(user) or missing(level):
        pytest.skip(why)


@pytest.mark.parametrize(("user", "way"), COMBINATIONS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack(found: Found, level: str, user: str, way: str, name: str) -> None:
    require(level, user)
    outcome = found[level, user, way].result()[name]
    if outcome["status"] in HANGS - STATUSES.get(
        name, {"ok"}
    ):  # the machine is busy: once more, with nothing else beside it
        assert outcome["breaches"] == []
        wait(found.values())
        outcome = outcomes(level, user, way, [name])[name]
    assert outcome["fresh"] == way
    assert outcome["breaches"] == []
    assert outcome["status"] in STATUSES.get(name, {"ok"}), outcome["error"]
    assert outcome["honest"] == ""
    assert not (outcome["kept"] and outcome["status"] in UNPEACEFUL)


@pytest.mark.parametrize("user", USERS)
def test_what_doctor_says_is_open_is_open(found: Found, user: str) -> None:
    require("rlimits", user)
    seen = found["rlimits", user, "process"].result().values()
    levels = json.loads(found["doctor", user, "process"].result())["levels"]
    told = {level["level"]: {leak["attack"] for leak in level["open"]} for level in levels}
    achieved = {kind for outcome in seen for kind, _ in outcome["breaches"]}
    assert told["namespaces"] == told["landlock"] == set()
    assert told["rlimits"] == achieved - {"forged", "secret"}
    assert "forged" in achieved
    assert next(level["integrity"] for level in levels if level["level"] == "rlimits") == "best-effort"


def test_every_attack_says_what_it_tries() -> None:
    assert set(STATUSES) <= set(ATTACKS)
    for name in ATTACKS:
        assert (PROGRAMS / f"{name}.py").read_text().startswith('"""')
