"""The jails of one slot: a warm one for candidate after candidate, and cold ones where that cannot be or is not wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from evolve.errors import EvolveError
from evolve.gpu import limiter
from evolve.jail import Confinement, Inside, Jail, Unfit, Usage, Zygote, cold
from evolve.judge import runner, wire
from evolve.records import Fresh, Level, Sources, Task

RUNNER = (Path(wire.__file__), Path(limiter.__file__), Path(runner.__file__))
"""What a jail runs: one encoding on both sides, and what uses it."""
CALLING = b"\1"
IDLE = b"\0"

WARM: tuple[Level, ...] = ("namespaces", "landlock")
"""The levels at which a candidate cannot reach the process that it is forked from."""
CANDIDATES = 500
"""Candidates after which a warm jail is replaced, whatever it looks like."""
IMPORTS = 240.0
"""Seconds that a warm jail may take for its imports: a large library from a cold disk takes minutes."""


class Jails:
    """Makes the jails of one slot; to be closed.

    A warm jail is given up, and a new one started at once, when a candidate did not come to a peaceful end (it died, ran out of
    time, memory or processes, wrote out of turn), when it left anything behind, when other devices are leased, and
    after `CANDIDATES`; also where its zygote is found dead.

    Args:
        task: names the limits, the packages and the files that every candidate finds inside.
        confinement: how a jail is built.
        slot: which of several jails at the same time this is.
        fresh: where candidates' processes come from; only isolated levels have warm jails.
        inside: what is in a jail besides.
        mark: told `CALLING` before each wait for a candidate, and `IDLE` after it.
    """

    def __init__(
        self,
        task: Task,
        confinement: Confinement,
        slot: int,
        fresh: Fresh,
        inside: Inside,
        mark: Callable[[bytes], object] = lambda calling: None,
    ) -> None:
        self._files = dict(task.shipped) | ({} if task.harness is None else {"harness.py": task.harness})
        self._arguments: dict[str, Any] = {
            "packages": task.packages,
            "data": task.data,
            "slot": slot,
            "runner": RUNNER,
        }
        self._limits = task.limits
        self._confinement = confinement
        self._fork = fresh == "fork" and confinement.level in WARM
        self._inside = replace(inside, warm=True)
        self._mark = mark
        self._zygote: Zygote | None = None
        self._busy = False
        self._inmates: set[Jail] = set()
        self._used: set[Fresh] = set()
        self.unfit = ""
        """Why candidates get cold jails although warm ones were asked for."""

    def hold(self, lease: Mapping[str, Any] | None) -> None:
        """Put the devices of a lease into the jails from now on, and no others."""
        devices = tuple(lease["nodes"]) if lease else ()
        variables = dict(lease["variables"]) if lease else {}
        if lease and lease["memory"]:
            variables[runner.GPU_MEMORY] = str(lease["memory"])
        if (devices, variables) != (self._inside.devices, dict(self._inside.variables)):
            self._inside = replace(self._inside, devices=devices, variables=variables)
            self._drop()

    def warm_up(self) -> None:
        """Start a warm jail and wait for its imports; what goes wrong is told to the first candidate that needs it."""
        if self._fork and self._inside.preload:
            try:
                self._warm().wait(time.monotonic() + IMPORTS)
            except Unfit as unfit:
                self._give_up(unfit)
            except EvolveError:
                self._drop()

    def used(self) -> Fresh | None:
        """Return where the processes came from that were started since the last time this was asked; None if there was none."""
        used, self._used = self._used, set()
        return "process" if "process" in used else "fork" if used else None

    def open(self, sources: Sources) -> Jailed:
        """Return a channel to a program in a jail, warm where that can be."""
        return Jailed(partial(self._enter, sources), self._leave, self._mark)

    def cold(self, sources: Sources) -> Jailed:
        """Return a channel to a program in a jail of its own."""
        return Jailed(partial(self._alone, sources), self._leave, self._mark)

    def kill(self) -> None:
        """End the candidates that are in a jail, and fork no more; for another thread than theirs."""
        self._fork = False
        for jail in tuple(self._inmates):
            jail.kill()

    def close(self) -> None:
        """End the warm jail."""
        self._fork = False
        self._drop()

    def _warm(self) -> Zygote:
        if self._zygote is None:
            zygote = Zygote(self._confinement, self._limits, inside=self._inside, **self._arguments)
            zygote.start()
            self._zygote = zygote
        return self._zygote

    def _drop(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.close()

    def _give_up(self, unfit: Unfit) -> None:
        """Do without a warm jail from now on."""
        self._fork, self.unfit = False, f"no warm jail: {unfit}"
        self._drop()

    def _enter(self, sources: Sources) -> Jail:
        if not self._fork or self._busy:
            return self._alone(sources)
        if self._zygote is not None and self._zygote.gone:
            self._drop()
        jail = Jail(self._warm(), dict(sources) | self._files)
        self._busy = True
        try:
            jail.start(time.monotonic() + IMPORTS)
        except Unfit as unfit:
            self._leave(jail)
            self._give_up(unfit)
            return self._alone(sources)
        except BaseException:  # whatever it is, Ctrl-C too: a jail that nobody holds must not stay
            self._leave(jail)
            raise
        self._inmates.add(jail)
        self._used.add("fork")
        return jail

    def _alone(self, sources: Sources) -> Jail:
        inside = replace(self._inside, warm=False, preload=())
        files = dict(sources) | self._files
        jail = cold(self._confinement, self._limits, files=files, inside=inside, **self._arguments)
        jail.start()
        self._inmates.add(jail)
        self._used.add("process")
        return jail

    def _leave(self, jail: Jail) -> None:
        """Take note that a candidate has left its jail."""
        self._inmates.discard(jail)
        if self._zygote is None or not jail.within(self._zygote):
            return
        self._busy = False
        if not jail.clean or self._zygote.candidates >= CANDIDATES:
            self._drop()
            if self._fork:
                with suppress(EvolveError, OSError):  # told to the next candidate, if that cannot have a jail either
                    self._warm()


class Jailed:
    """A channel to one candidate in a jail, which is made when it is needed."""

    def __init__(
        self, make: Callable[[], Jail], leave: Callable[[Jail], None], mark: Callable[[bytes], object]
    ) -> None:
        self._make = make
        self._leave = leave
        self._mark = mark
        self._jail: Jail | None = None
        self._usage = Usage(None, None, "")

    def start(self) -> None:
        """Make and start the jail."""
        self._jail = self._make()

    def exchange(self, frame: bytes, deadline: float) -> bytes:
        """Exchange frames with the candidate, marked as such meanwhile."""
        assert self._jail is not None
        self._mark(CALLING)
        try:
            return self._jail.exchange(frame, deadline)
        finally:
            self._mark(IDLE)

    def close(self) -> Usage:
        """End the candidate, if there is one; may be called twice."""
        if self._jail is not None:
            jail, self._jail = self._jail, None
            self._usage = jail.close()
            self._leave(jail)
        return self._usage
