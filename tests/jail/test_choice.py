"""The level is chosen by attempting the attacks: as this user, as one without rights, and without namespaces as in Docker."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evolve.cli.doctor import doctor
from evolve.errors import IsolationError
from evolve.jail import Confinement, choose, selftest
from evolve.jail.levels import LEVELS, missing
from evolve.records import Level
from tests import ordinary

ROOT = Path(__file__).parents[2]
CHOOSE = """
import json, sys
from evolve.jail import choose
from evolve.errors import IsolationError
def ask(name):
    try: return choose(name).to_json()
    except IsolationError as error: return str(error)
print(json.dumps({name: ask(name) for name in sys.argv[1:]}))
"""

needs_root = pytest.mark.skipif(not ordinary.possible(), reason="needs root and mounts")


def chosen(wrap: Callable[[list[str]], list[str]], *names: str) -> dict[str, Any]:
    """Return what `choose` answers in a process of its own: its JSON, or why not."""
    done = subprocess.run(
        wrap([sys.executable, "-c", CHOOSE, *names]),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_here() -> None:
    found = choose()
    assert found.level == next(level for level in LEVELS if not missing(level) and not selftest.verdict(level))
    assert choose(found.level) is choose(found.level)
    assert choose("none").integrity == "same-process"


def test_every_attack_is_denied_where_isolated(isolated: Level) -> None:
    assert selftest.attack(isolated) == {}


@needs_root
def test_as_an_ordinary_user() -> None:
    found = chosen(ordinary.as_nobody, "auto", "landlock")
    assert found["auto"]["level"] == "namespaces"
    assert "uid drop" not in found["auto"]["layers"]


@needs_root
@pytest.mark.parametrize("user", ["root", "nobody"])
def test_without_namespaces(user: str) -> None:
    def wrap(command: list[str]) -> list[str]:
        inside = ordinary.in_docker(command)
        return ordinary.as_nobody(inside) if user == "nobody" else inside

    found = chosen(wrap, "auto", "namespaces")
    assert found["auto"]["level"] == "landlock"
    assert found["auto"]["reason"].startswith("namespaces: ")
    assert "cannot be had" in found["namespaces"]


FLOOD = """
import os, sys, time
from evolve.jail import JailEnded
from tests.jail.inmate import opened
from tests.jail.test_jail import FLOOD
with opened("rlimits") as inmate:
    try: inmate.run(FLOOD, 4)
    except JailEnded as ended: print(ended.detail)
time.sleep(0.1)
print(len([name for name in filter(str.isdigit, os.listdir("/proc")) if os.stat("/proc/" + name).st_uid == os.getuid()]))
"""


@needs_root
def test_a_flood_of_processes_at_rlimits_as_an_ordinary_user() -> None:
    """The hardest case: no namespace to end, no user to kill, and sessions that the flood leaves."""
    done = subprocess.run(
        ordinary.as_nobody([sys.executable, "-c", FLOOD]),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "over 24 processes" in done.stdout, done.stderr
    assert done.stdout.split()[-1] == "1"


def test_an_unknown_level() -> None:
    with pytest.raises(IsolationError, match="none of auto"):
        choose("strong")


def test_confinement_crosses_as_json() -> None:
    for level in LEVELS:
        found = Confinement(level, "why", ("a", "b"))
        assert Confinement.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_self_test_sees_open_attacks() -> None:
    """What is said to be open at ``none`` is open, so an attack that fails elsewhere was denied and not merely broken."""
    found = selftest.attack("none")
    assert set(found) >= {
        "tcp",
        "udp",
        "abstract_socket",
        "named_socket",
        "netlink",
        "read_outside",
        "environment",
        "write_outside",
    }
    assert set(found) >= {"signal_outside", "trace_outside", "memory_in_files", "kill_parent", "daemon"}


def test_doctor() -> None:
    result = CliRunner().invoke(doctor, ["--json"])
    assert result.exit_code == 0
    report = json.loads(result.output)
    assert [level["level"] for level in report["levels"]] == list(LEVELS)
    assert report["chosen"]["level"] == choose().level
    for level in report["levels"]:
        assert level["passed"] == (level["available"] and not level["open"])
    text = CliRunner().invoke(doctor).output
    for level in report["levels"]:
        assert level["level"] in text
        for leak in level["open"]:
            assert f"a candidate can {leak['what']}" in text
