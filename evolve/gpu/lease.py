"""Lends devices, each to one evaluation at a time, whichever run of this user's it belongs to.

A device is lent with a lock on its UUID, and comes back only when the driver shows that what was started on it has gone. What
does not go puts the device into **quarantine**: it is not lent again while this run lives, by this run or another.

Not run on a real GPU yet: see `evolve.gpu`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evolve import machine
from evolve.gpu.probe import Device, GpuProbe, ProbeError
from evolve.jail.home import UIDS
from evolve.machine import Lock

DEADLINE = 10.0
"""Seconds for the processes of an evaluation to leave a device before it is put into quarantine."""
SLACK = 256 << 20
"""Bytes by which a device may differ from before without any process that shows: the driver's own. A guess, not measured."""


@dataclass(frozen=True, slots=True)
class Before:
    """How a device was when it was lent: who was on it, and the bytes in use that belonged to none of them."""

    processes: frozenset[int]
    hidden: int


@dataclass(slots=True, eq=False)
class Lease:
    """Devices that one evaluation has.

    ``out`` are those that have not come back yet, and ``since`` is when the first try to return them was made.
    """

    devices: tuple[Device, ...]
    before: Mapping[str, Before]
    out: set[str] = field(default_factory=set)
    since: float | None = None

    @property
    def uuids(self) -> tuple[str, ...]:
        """Which devices."""
        return tuple(device.uuid for device in self.devices)


class Leases:
    """Lends the devices of a probe. Nothing here waits: what cannot be done yet is to be tried again.

    Args:
        probe: tells which devices there are and who is on them.
        folder: of the locks; None is the user's own.
        say: told what a person should know.
        ours: whether a process that came to a device while it was lent is to be taken for the evaluation's.
        deadline: seconds for processes to leave a device.
    """

    def __init__(
        self,
        probe: GpuProbe,
        folder: Path | None = None,
        *,
        say: Callable[[str], object] = print,
        ours: Callable[[int], bool] | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self.devices = probe.devices()
        self.quarantined: dict[str, str] = {}
        """Why which device is not lent any more."""
        self._probe = probe
        self._say = say
        self._ours = ours or same_user
        self._deadline = deadline
        place = folder or machine.folder()
        self._locks = {device.uuid: Lock(place / f"{device.uuid}.lock") for device in self.devices}
        self._haunted: dict[str, float] = {}
        self._told: set[str] = set()

    @property
    def usable(self) -> int:
        """How many devices are not in quarantine."""
        return len(self.devices) - len(self.quarantined)

    def take(self, count: int, prefer: Sequence[str] = ()) -> Lease | None:
        """Lend ``count`` devices, or none at all.

        Args:
            count: how many.
            prefer: UUIDs to lend first, where they are free.

        Returns:
            The lease, or None while too few are free.
        """
        first = [device for uuid in prefer for device in self.devices if device.uuid == uuid]
        taken: list[Device] = []
        before: dict[str, Before] = {}
        for device in dict.fromkeys([*first, *self.devices]):
            lock = self._locks[device.uuid]
            if len(taken) == count:
                break
            if device.uuid in self.quarantined or lock.held or not lock.take():
                continue
            seen = self._look(device, lock)
            if seen is not None:
                taken.append(device)
                before[device.uuid] = seen
        if len(taken) < count:
            for device in taken:
                self._locks[device.uuid].drop()
                self._locks[device.uuid].want()
            return None
        self.rest()
        for device in taken:
            self._locks[device.uuid].sign(f"process {os.getpid()}")
        return Lease(tuple(taken), before, {device.uuid for device in taken})

    def rest(self) -> None:
        """Wait for devices no longer."""
        for lock in self._locks.values():
            lock.rest()

    def holders(self) -> str:
        """Say of the devices that this process does not have what their locks say; for whoever waits for them."""
        said = {uuid: lock.text() for uuid, lock in self._locks.items() if not lock.held}
        return ", ".join(f"{uuid}: {text}" for uuid, text in said.items() if text)

    def release(self, lease: Lease) -> bool:
        """Take back what nobody is on any more, and put into quarantine what did not come free in time.

        Returns:
            Whether all of the lease has come to an end; if not, this is to be called again.
        """
        now = time.monotonic()
        lease.since = now if lease.since is None else lease.since
        for device in lease.devices:
            if device.uuid not in lease.out:
                continue
            try:
                why = self._occupied(lease, device)
            except ProbeError as error:
                why = f"it has gone: {error}"
            if not why:
                self._locks[device.uuid].release()
                for lock in self._locks.values():  # others may wait for several
                    lock.stand_back()
            elif now - lease.since >= self._deadline:
                self._quarantine(device, why)
            else:
                continue
            lease.out.remove(device.uuid)
        return not lease.out

    def gone(self, lease: Lease) -> str:
        """Return what the probe says of a device of the lease that it cannot be asked about any more, or nothing."""
        for uuid in lease.uuids:
            try:
                self._probe.memory(uuid)
            except ProbeError as error:
                return f"{uuid} has gone: {error}"
        return ""

    def used(self, lease: Lease) -> dict[str, int]:
        """Return how many bytes of each device the lease's processes have; a device that cannot be asked about is left out.

        What is in use by no process that shows counts as theirs where it is more than `SLACK`: in a container, none shows.
        """
        used = {}
        for device in lease.devices:
            try:
                pids, shown, hidden = self._growth(lease, device)
            except ProbeError:
                continue
            used[device.uuid] = shown + (hidden if hidden > SLACK or pids else 0)
        return used

    def close(self) -> None:
        """Let go of all locks. Those of devices in quarantine keep their text, for the next run to see."""
        for uuid, lock in self._locks.items():
            lock.rest()
            if uuid in self.quarantined:
                lock.drop()
            else:
                lock.release()

    def _look(self, device: Device, lock: Lock) -> Before | None:
        """Return how a device is whose lock is held; None, and the lock is dropped, where it is not fit to be lent now.

        A device that cannot be asked about gets as much time as the processes of a former holder that was killed get to die.
        """
        gone, memory = "", 0
        processes: Mapping[int, int | None] = {}
        try:
            processes, memory = self._probe.processes(device.uuid), self._probe.memory(device.uuid)
        except ProbeError as error:
            gone = f"it has gone: {error}"
        if gone or (processes and lock.left):
            since = self._haunted.setdefault(device.uuid, time.monotonic())
            if time.monotonic() - since < self._deadline:
                lock.drop()
                return None
            if gone:
                self._quarantine(device, gone)
                return None
        self._haunted.pop(device.uuid, None)
        if processes and device.uuid not in self._told:
            self._told.add(device.uuid)
            self._say(
                f"{device.name} {device.uuid} is shared with {_named(processes)}, which can slow candidates and leave them short"
            )
        return Before(frozenset(processes), _hidden(processes, memory))

    def _occupied(self, lease: Lease, device: Device) -> str:
        """Say why a device cannot come back yet; nothing if it can."""
        pids, _, hidden = self._growth(lease, device)
        if pids:
            return f"{_named(pids)} did not leave it"
        if hidden > SLACK:
            return f"{hidden} bytes of it are still in use, by no process that shows"
        return ""

    def _growth(self, lease: Lease, device: Device) -> tuple[list[int], int, int]:
        """Return what came to a device since it was lent: processes, their bytes where known, and bytes of none that shows."""
        processes, memory = self._probe.processes(device.uuid), self._probe.memory(device.uuid)
        before = lease.before[device.uuid]
        came = [pid for pid in processes if pid not in before.processes and self._ours(pid)]
        shown = sum(processes[pid] or 0 for pid in came)
        return came, shown, max(0, _hidden(processes, memory) - before.hidden)

    def _quarantine(self, device: Device, why: str) -> None:
        self.quarantined[device.uuid] = why
        text = f"{device.name} {device.uuid} is in quarantine until this run ends: {why}"
        self._locks[device.uuid].sign(f"process {os.getpid()}: {text}")
        self._say(text)


def same_user(pid: int) -> bool:
    """Return whether a process may be one of ours: this user's, a jail's, or one that does not show here, as in a container."""
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return True
    return owner == os.geteuid() or owner in UIDS


def _hidden(processes: Mapping[int, int | None], memory: int) -> int:
    """Return the bytes in use that belong to no process as far as is known."""
    return memory - sum(size or 0 for size in processes.values())


def _named(pids: Iterable[int]) -> str:
    return "process " + ", ".join(map(str, sorted(pids)))
