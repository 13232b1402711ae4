"""Nothing may be left of a jail whose judge was killed."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.jail import home
from evolve.records import Level
from tests.jail.inmate import groups, holding
from tests.waiting import wait_for

JUDGE = """
import sys, time
sys.path[:0] = [{root!r}]
from tests.jail.inmate import opened
with opened(sys.argv[1]) as inmate:
    inmate.run('''
import os, sys, time
if os.fork() == 0:
    try: os.setsid()
    except OSError: pass
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)", "{token}"])
    os._exit(0)
os.wait()
''')
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_killed_judge_leaves_nothing(level: Level, tmp_path: Path) -> None:
    token = "orphan-" + secrets.token_hex(8)
    root = str(Path(home.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", JUDGE.format(root=root, token=token), level],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as judge:
        try:
            assert judge.stdout is not None
            assert judge.stdout.readline() == b"ready\n"
            wait_for(lambda: holding(token))
        finally:
            judge.kill()
    wait_for(lambda: not holding(token))
    # The folder and the groups are swept when the next process comes that opens a jail.
    assert list(tmp_path.glob("evolve-jail-*"))
    again = "from evolve.jail import cgroup, home; home.home(); cgroup.available()"
    subprocess.run(
        [sys.executable, "-c", again],
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": root},
        timeout=30,
    )
    assert not list(tmp_path.glob("evolve-*"))
    assert not groups(judge.pid)


def test_a_living_owner_keeps_its_home(tmp_path: Path) -> None:
    here = tmp_path / "evolve-jail-x"
    here.mkdir()
    code = (
        "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
        "print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(here)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        home._sweep(tmp_path)
        assert here.exists()
        owner.communicate(b"")
    home._sweep(tmp_path)
    assert not here.exists()


def test_clear_follows_no_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    doomed = tmp_path / "doomed"
    (doomed / "a" / "b").mkdir(parents=True)
    (doomed / "a" / "link").symlink_to(kept)
    (doomed / "loop").symlink_to(doomed)
    (doomed / "a" / "b").chmod(0)
    home.clear(doomed)
    assert not doomed.exists()
    assert (kept / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives user ids")
def test_user_ids_are_not_shared() -> None:
    first, second = home.Uid(3), home.Uid(3)
    assert first.number != second.number
    taken = first.number
    first.release()
    third = home.Uid(3)
    assert third.number == taken
    second.release()
    third.release()
