"""What slots hold of the machine: each its own processors; while they judge, leased GPUs and the right to be the only one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evolve import machine
from evolve.errors import ConfigError
from evolve.gpu import Lease, Leases, detect, nodes
from evolve.gpu.lease import DEADLINE
from evolve.machine import Lock, Machine
from evolve.records import Limits, Resources

POLL = 0.05
"""Seconds between two tries to get what other runs hold."""
WATCH = 0.25
"""Seconds between two looks at leased devices, or `BUSY` times as long as one takes: nvidia-smi is slow."""
BUSY = 10
WAITING = 5.0
"""Seconds of waiting after which a person is told."""
CONTEXT = 512 << 20
"""Bytes of a device that CUDA itself takes in a process, beside what torch's allocator has. A guess, not measured."""
STAY = 1.0
"""Seconds after which processes that stay on a device cost the slot its judge."""
VARIABLES = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
"""What a jail with devices finds in its environment besides their UUIDs; the second lets torch ask for a device without starting
CUDA, which a process that is to be forked must not do.
"""


@dataclass(slots=True, eq=False)
class Hold:
    """What one slot holds while it judges. ``until`` is when its judge is killed if the lease has not ended by then."""

    lease: Lease | None
    until: float = float("inf")


class Holdings:
    """Hands out what the evaluations of a task need beside a slot. Never waits.

    Args:
        resources: what one evaluation needs.
        limits: of the task.
        where: where to look.
        say: told what a person should know.

    Raises:
        ConfigError: if the machine has too few GPUs, or their nodes are missing.
    """

    def __init__(self, resources: Resources, limits: Limits, where: Machine, say: Callable[[str], object]) -> None:
        self._resources = resources
        self._limit = limits.gpu_memory
        self._devices = where.devices
        self._say = say
        self._lane: Lock | None = None
        self._leases: Leases | None = None
        self._waiting: float | None = None
        self.next = 0.0
        if resources.exclusive:
            self._lane = Lock((where.locks or machine.folder()) / "exclusive.lock")
        if resources.gpus:
            probe = where.probe or detect()
            self._leases = Leases(probe, where.locks, say=say, deadline=DEADLINE)
            found = self._leases.devices
            if len(found) < resources.gpus:
                names = ", ".join(f"{device.name} {device.uuid}" for device in found) or "no GPU"
                wanted = "a GPU" if resources.gpus == 1 else f"{resources.gpus} GPUs"
                raise ConfigError(f"the task needs {wanted} for an evaluation, and {names} was found ({probe.how})")
            nodes(found, self._devices)  # an error now rather than in every jail

    @property
    def most(self) -> int | None:
        """How many evaluations can be under way at a time; None: any number."""
        if self._lane is not None:
            return 1
        return len(self._leases.devices) // self._resources.gpus if self._leases else None

    @property
    def why(self) -> str:
        """Say, for a `judge_error`, why nothing can be judged any more; nothing while it can."""
        if self._leases is None or self._leases.usable >= self._resources.gpus:
            return ""
        lost = "; ".join(f"{uuid}: {why}" for uuid, why in self._leases.quarantined.items())
        return f"{self._leases.usable} GPUs are left, and an evaluation needs {self._resources.gpus}; in quarantine: {lost}"

    def take(self, prefer: tuple[str, ...]) -> Hold | None:
        """Return what one evaluation needs, ``prefer``red devices first, or None while it is not to be had."""
        lane, leases = self._lane, self._leases
        lease = None
        if lane is not None and not lane.take():
            self._tell(f"another run that must be alone on this machine ({lane.text()})")
            return None
        if leases is not None:
            lease = leases.take(self._resources.gpus, prefer)
            if lease is None:
                if lane is not None:
                    lane.drop()
                self._tell(f"{self._resources.gpus} free GPUs ({leases.holders() or 'others have them'})")
                return None
        if lane is not None:
            lane.sign(f"process {os.getpid()}")
        self._waiting = None
        return Hold(lease)

    def rest(self) -> None:
        """Wait for nothing: there is no job."""
        self._waiting = None
        if self._lane is not None:
            self._lane.rest()
        if self._leases is not None:
            self._leases.rest()

    def message(self, hold: Hold) -> dict[str, Any]:
        """Return what the judge is told of a hold."""
        if hold.lease is None:
            return {}
        memory = None if self._limit is None else max(self._limit - CONTEXT, self._limit // 2)
        paths = [str(path) for path in nodes(hold.lease.devices, self._devices)]
        uuids = hold.lease.uuids
        variables = VARIABLES | {"CUDA_VISIBLE_DEVICES": ",".join(uuids)}
        return {"lease": {"uuids": list(uuids), "nodes": paths, "memory": memory, "variables": variables}}

    def gone(self, hold: Hold) -> str:
        """Say which device of a hold has gone; nothing if none has."""
        return "" if self._leases is None or hold.lease is None else self._leases.gone(hold.lease)

    def give_back(self, hold: Hold) -> bool:
        """Return what is held, as far as it can be; whether all of it has ended. If not, to be called again."""
        if self._lane is not None:
            self._lane.release()
        if self._leases is None or hold.lease is None:
            return True
        first = hold.lease.since is None
        ended = self._leases.release(hold.lease)
        if first and not ended:  # its process may be about to go
            hold.until = time.monotonic() + STAY
            self.next = min(self.next, time.monotonic() + POLL)
        return ended

    def excess(self, hold: Hold) -> str:
        """Say by how much the processes of a hold are over the memory that they may take of a device; nothing if they are not."""
        if self._leases is None or hold.lease is None or self._limit is None:
            return ""
        for uuid, used in self._leases.used(hold.lease).items():
            if used > self._limit:
                return f"it took {used} bytes of {uuid}, and may take {self._limit}"
        return ""

    def looked(self, began: float) -> None:
        """Set the time of the next look at what is held; the last one was begun at the monotonic time ``began``."""
        now = time.monotonic()
        self.next = now + max(WATCH, BUSY * (now - began))

    def close(self) -> None:
        """Let go of everything."""
        if self._lane is not None:
            self._lane.rest()
            self._lane.release()
        if self._leases is not None:
            self._leases.close()

    def _tell(self, what: str) -> None:
        """Tell a person, once, what has been waited for for some time."""
        now = time.monotonic()
        if self._waiting is None:
            self._waiting = now + WAITING
        elif self._waiting <= now:
            self._waiting = float("inf")
            self._say(f"waiting for {what}")


class Processors:
    """Which processors each slot has: those that no other run of the user's has, as far as they reach, then the others in turn.

    Args:
        slots: how many slots.
        each: how many processors a slot has.
        where: where to look.
        say: told where there are fewer than that.
    """

    def __init__(self, slots: int, each: int, where: Machine, say: Callable[[str], object]) -> None:
        self._locks: list[Lock] = []
        if not hasattr(os, "sched_getaffinity"):  # as on macOS, where nothing can be pinned
            self.sets: list[tuple[int, ...]] = [()] * slots
            return
        place = where.locks or machine.folder()
        here = sorted(os.sched_getaffinity(0))
        free: list[int] = []
        taken: list[int] = []
        for number in here:
            lock = Lock(place / f"cpu-{number}.lock")
            if len(free) < slots * each and lock.take():
                lock.sign(f"process {os.getpid()}")
                self._locks.append(lock)
                free.append(number)
            else:
                lock.rest()
                taken.append(number)
        turn = os.getpid() % max(1, len(taken))  # so that runs without a processor of their own spread out
        order = free + taken[turn:] + taken[:turn]
        if slots * each > len(here):
            say(f"{slots * each} processors are wanted for {slots} slots, of {len(here)}: evaluations slow each other")
        self.sets = [
            tuple(sorted({order[(slot * each + n) % len(order)] for n in range(each)})) for slot in range(slots)
        ]

    def close(self) -> None:
        """Leave them to other runs."""
        for lock in self._locks:
            lock.release()
