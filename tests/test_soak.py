"""A short soak: hostile candidates of every kind among honest ones leave nothing behind and harm nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.jail import choose

ROOT = Path(__file__).parents[1]


def test_two_hundred_evaluations_leave_nothing() -> None:
    """As many as take each hostile candidate once. What is found is in the output."""
    if choose().integrity != "isolated":
        pytest.skip("no isolated level can be had on this machine")
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "soak.py", "--evaluations", "200", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "200 evaluations" in done.stdout
    assert " 0 findings" in done.stdout
    assert "| honest | 160 | ok 160 |" in done.stdout


def test_a_soak_sees_what_is_left(tmp_path: Path) -> None:
    """A check that cannot fail is none: what this test leaves on purpose is found by name."""
    leave = """
import os, sys
sys.path.insert(0, sys.argv[1] + "/bench")
import soak
from pathlib import Path
traces = soak.Traces(Path(sys.argv[2]), "token", 1)
before = traces.seen(set())
import fcntl, subprocess
file = open(sys.argv[2] + "/left", "w")
fcntl.flock(file, fcntl.LOCK_EX)
sleep = subprocess.Popen(["sleep", "30"])
print(*sorted(word.split()[0] for word in traces.seen(set()) - before))
sleep.kill()
"""
    done = subprocess.run(
        [sys.executable, "-c", leave, ROOT, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout.split() == ["descriptor", "file", "lock", "process"]
