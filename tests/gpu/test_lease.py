"""Leases: between two real processes, by fakes that leak and vanish, and after a driver was killed."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve import machine
from evolve.errors import ConfigError
from evolve.executor.slot import environment
from evolve.gpu import Leases
from evolve.machine import YIELD, Lock
from evolve.testing import FakeProbe

MIB = 1 << 20
NOBODY = 5_000_000
"""A process id that no system gives."""


class Place:
    """A machine with fake GPUs and a folder of locks."""

    def __init__(self, folder: Path, count: int) -> None:
        self.file, self.locks = folder / "gpus.json", folder / "locks"
        self.locks.mkdir(mode=0o700)
        self.probe = FakeProbe(self.file, count)
        self.said: list[str] = []
        self.made: list[Leases] = []

    def leases(self, deadline: float = 0.3) -> Leases:
        self.made.append(Leases(self.probe, self.locks, say=self.said.append, deadline=deadline))
        return self.made[-1]

    def run(self, script: str) -> "subprocess.Popen[str]":
        """Start a driver of its own; ``leases`` and ``probe`` are given."""
        head = f"""
            import sys, time
            from pathlib import Path
            from evolve.gpu import Leases
            from evolve.testing import FakeProbe
            probe = FakeProbe(Path({str(self.file)!r}))
            leases = Leases(probe, Path({str(self.locks)!r}))
        """
        command = [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment())

    def close(self) -> None:
        for leases in self.made:
            leases.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, 2)
    yield made
    made.close()


HOLD = "lease = leases.take({count})\nprint(*lease.uuids, flush=True)\nsys.stdin.readline()\n"


def test_a_device_is_lent_once(place: Place) -> None:
    leases = place.leases()
    first, second = leases.take(1), leases.take(1)
    assert first is not None
    assert second is not None
    assert {*first.uuids, *second.uuids} == {"GPU-0", "GPU-1"}
    assert leases.take(1) is None
    assert leases.release(first)
    again = leases.take(1)
    assert again is not None
    assert again.uuids == first.uuids


def test_all_or_nothing(place: Place) -> None:
    leases = place.leases()
    one = leases.take(1)
    assert one is not None
    assert leases.take(2) is None
    assert leases.take(1) is not None


def test_the_devices_of_before_are_preferred(place: Place) -> None:
    leases = place.leases()
    lease = leases.take(1, prefer=("GPU-1",))
    assert lease is not None
    assert lease.uuids == ("GPU-1",)
    other = leases.take(1, prefer=("GPU-1", "GPU-of-yesterday"))
    assert other is not None
    assert other.uuids == ("GPU-0",)


def test_two_runs_exclude_each_other_and_a_killed_driver_frees_its_leases(place: Place) -> None:
    leases = place.leases()
    with place.run(HOLD.format(count=1)) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "GPU-0\n"
        assert leases.take(2) is None
        assert f"GPU-0: process {other.pid}" in leases.holders()
        lease = leases.take(1)
        assert lease is not None
        assert lease.uuids == ("GPU-1",)
        assert leases.take(1) is None
        other.kill()
        other.wait()
        freed = leases.take(1)
        assert freed is not None
        assert freed.uuids == ("GPU-0",)


def test_a_child_of_the_driver_does_not_hold_its_leases_on(place: Place) -> None:
    script = """
        import os
        lease = leases.take(2)
        if os.fork() == 0:
            time.sleep(60)
        import subprocess
        child = subprocess.Popen(["sleep", "60"])
        print(child.pid, flush=True)
        sys.stdin.readline()
    """
    with place.run(script) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        started = int(other.stdout.readline())
        forked = [int(pid) for pid in Path(f"/proc/{other.pid}/task/{other.pid}/children").read_text().split()]
        assert started in forked
        other.kill()
        other.wait()
        try:
            assert place.leases().take(2) is not None
        finally:
            for pid in forked:
                os.kill(pid, 9)


def test_what_a_killed_driver_left_on_a_device_is_given_time_to_die(place: Place) -> None:
    with place.run(HOLD.format(count=2)) as other:
        assert other.stdout is not None
        other.stdout.readline()
        place.probe.enter("GPU-0", NOBODY, MIB)
        other.kill()
        other.wait()
    leases = place.leases()
    lease = leases.take(1)
    assert lease is not None
    assert lease.uuids == ("GPU-1",)
    assert leases.take(1) is None
    place.probe.leave("GPU-0", NOBODY)
    assert leases.take(1) is not None
    assert place.said == []


def test_two_runs_take_turns(place: Place) -> None:
    """One run that returns and takes at once would leave nothing to another that tries now and then."""
    greedy, patient = place.leases(), place.leases()
    lease = greedy.take(1)
    assert lease is not None
    assert patient.take(2) is None
    assert greedy.release(lease)
    assert greedy.take(1) is None
    lease = patient.take(2)
    assert lease is not None
    assert greedy.take(1) is None
    assert patient.release(lease)
    assert patient.take(2) is None
    assert patient.take(1) is None
    lease = greedy.take(1)
    assert lease is not None
    patient.rest()
    assert greedy.release(lease)
    assert greedy.take(1) is not None, "nobody waits any more"


def test_a_turn_that_is_not_taken_is_over_soon(place: Place) -> None:
    greedy, patient = place.leases(), place.leases()
    lease = greedy.take(2)
    assert lease is not None
    assert patient.take(1) is None
    assert greedy.release(lease)
    assert greedy.take(2) is None
    time.sleep(YIELD)
    assert greedy.take(2) is not None


@pytest.mark.parametrize("size", [MIB, None])
def test_a_process_that_stays_puts_its_device_into_quarantine(place: Place, size: int | None) -> None:
    leases = place.leases()
    lease = leases.take(2)
    assert lease is not None
    place.probe.enter("GPU-1", NOBODY, size)
    assert not leases.release(lease)
    assert leases.take(1) is not None, "the other device is free"
    assert not leases.release(lease)
    assert leases.usable == 2
    time.sleep(0.35)
    assert leases.release(lease)
    assert leases.usable == 1
    (text,) = place.said
    assert "GPU-1 is in quarantine" in text
    assert f"process {NOBODY} did not leave it" in text
    place.probe.leave("GPU-1", NOBODY)
    assert leases.take(1) is None
    other = place.leases()
    assert other.take(1) is None
    assert "GPU-1: process" in other.holders()
    assert "quarantine" in other.holders()
    leases.close()
    assert other.take(1) is not None


def test_a_process_that_leaves_in_time_is_no_harm(place: Place) -> None:
    leases = place.leases(deadline=5.0)
    lease = leases.take(1)
    assert lease is not None
    place.probe.enter("GPU-0", NOBODY, MIB)
    assert not leases.release(lease)
    place.probe.leave("GPU-0", NOBODY)
    assert leases.release(lease)
    assert (leases.usable, place.said) == (2, [])


def test_memory_that_leaks_without_a_process(place: Place) -> None:
    leases = place.leases(deadline=0.0)
    lease = leases.take(1)
    assert lease is not None
    place.probe.leak("GPU-0", 200 * MIB)
    assert leases.release(lease), "so much may be the driver's own"
    lease = leases.take(1)
    assert lease is not None
    place.probe.leak("GPU-0", 1000 * MIB)
    assert leases.release(lease)
    assert "by no process that shows" in leases.quarantined["GPU-0"]


def test_a_device_that_vanishes(place: Place) -> None:
    leases = place.leases()
    lease = leases.take(2)
    assert lease is not None
    assert leases.gone(lease) == ""
    place.probe.vanish("GPU-0")
    assert "GPU-0 has gone" in leases.gone(lease)
    assert leases.used(lease) == {"GPU-1": 0}
    assert not leases.release(lease)
    time.sleep(0.3)
    assert leases.release(lease)
    assert list(leases.quarantined) == ["GPU-0"]
    place.probe.vanish("GPU-1")
    assert leases.take(1) is None
    time.sleep(0.3)
    assert leases.take(1) is None
    assert leases.usable == 0


def test_who_was_there_before_is_no_harm_but_is_told(place: Place) -> None:
    place.probe.enter("GPU-0", NOBODY, 3000 * MIB)
    leases = place.leases(deadline=0.0)
    lease = leases.take(1, prefer=("GPU-0",))
    assert lease is not None
    assert leases.used(lease) == {"GPU-0": 0}
    place.probe.enter("GPU-0", NOBODY, 5000 * MIB)
    assert leases.used(lease) == {"GPU-0": 0}
    assert leases.release(lease)
    assert leases.take(1, prefer=("GPU-0",)) is not None
    (text,) = place.said
    assert f"GPU-0 is shared with process {NOBODY}" in text


def test_whose_a_process_is_can_be_said(place: Place) -> None:
    leases = Leases(place.probe, place.locks, say=place.said.append, ours=lambda pid: pid != 7, deadline=0.0)
    place.made.append(leases)
    lease = leases.take(1)
    assert lease is not None
    place.probe.enter("GPU-0", 7, 900 * MIB)
    place.probe.enter("GPU-0", NOBODY, 50 * MIB)
    assert leases.used(lease) == {"GPU-0": 50 * MIB}
    place.probe.leave("GPU-0", NOBODY)
    assert leases.release(lease)
    assert leases.quarantined == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_a_process_of_another_user_is_not_ours(place: Place) -> None:
    leases = place.leases(deadline=0.0)
    lease = leases.take(1)
    assert lease is not None
    with subprocess.Popen(["sleep", "60"], user=54321, cwd="/") as stranger:
        place.probe.enter("GPU-0", stranger.pid, 900 * MIB)
        assert leases.used(lease) == {"GPU-0": 0}
        assert leases.release(lease)
        stranger.kill()
    assert leases.quarantined == {}


def test_what_is_used_where_processes_do_not_show(place: Place) -> None:
    """As in a container with process ids of its own."""
    leases = place.leases()
    lease = leases.take(1)
    assert lease is not None
    place.probe.leak("GPU-0", 100 * MIB)
    assert leases.used(lease) == {"GPU-0": 0}
    place.probe.leak("GPU-0", 1000 * MIB)
    assert leases.used(lease) == {"GPU-0": 1000 * MIB}
    place.probe.leak("GPU-0", 0)
    place.probe.enter("GPU-0", NOBODY, 70 * MIB)
    assert leases.used(lease) == {"GPU-0": 70 * MIB}


def test_the_folder_of_locks_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = machine.folder()
    assert made.parent == tmp_path
    assert made.stat().st_mode & 0o777 == 0o700
    assert machine.folder() == made
    made.chmod(0o777)
    with pytest.raises(ConfigError, match="TMPDIR"):
        machine.folder()
    made.rmdir()
    made.symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="TMPDIR"):
        machine.folder()


def test_a_lock_leaves_no_descriptor(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    first, second = Lock(tmp_path / "a.lock"), Lock(tmp_path / "a.lock")
    for _ in range(20):
        assert first.take()
        assert not second.take()
        second.rest()
        first.release()
        first.release()
    assert count() == before
