"""The handle to a candidate that ``evaluate.py`` works with: its code runs in the jail, and only plain data comes back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter_ns  # by name: whatever else shares this process may replace it in its module
from types import MappingProxyType
from typing import Any, Protocol

from evolve.errors import IsolationError, TaskError
from evolve.jail import JailEnded, Usage
from evolve.judge import runner, wire
from evolve.judge.chance import veiled
from evolve.judge.jails import IMPORTS
from evolve.judge.timing import Clocked, Timing, interleaved
from evolve.records import Limits, Sources, Status, Task

START = 30.0
"""Seconds that a jail may take to start, and, the imports of warm ones apart, that the starts of an evaluation's jails may take
together before they count against its limit: they are ours to answer for.
"""
MARGIN = 0.5
"""Seconds by which the jail is outlasted where it keeps a time limit itself, before it is killed."""
ID = 16
"""Random bytes in a request, which its reply must repeat."""
METHOD = "__hash__"
"""A method that every module has, and that does nothing: asked for to have the module imported."""
FAILURES: Mapping[str, Status] = {status: status for status in ("crash", "timeout", "memory", "gpu_memory", "protocol")}
"""How a reply may say that the candidate failed."""

HARNESS = "foreign_harness.py"
"""What a jail loads in place of a foreign task's entry: `evolve.foreign.harness`; the evaluator loads the program itself."""


class Invalid(Exception):  # noqa: N818 - a verdict, not an error
    """Raised by ``evaluate`` to say that, and how, the candidate's answer breaks the task's rules: status ``invalid``."""


class CandidateFailed(Exception):  # noqa: N818 - an outcome, not an error
    """A call of the candidate that gave no result. Where ``evaluate`` lets it pass, its status becomes the evaluation's.

    Attributes:
        status: ``crash``, ``timeout``, ``memory``, ``gpu_memory`` or ``protocol``.
        message: what a person, or the next prompt, should know about it.
    """

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status: Status = status
        self.message = message


class Channel(Protocol):
    """The way to a candidate: a `evolve.jail.Jail`, or what stands in for one."""

    def start(self) -> None:
        """Make it ready for the first frame."""

    def exchange(self, frame: bytes, deadline: float) -> bytes:
        """Return the reply to ``frame``, by the monotonic time ``deadline``.

        Raises:
            JailEnded: if there is none by then; one that comes later is no reply, and its process has ended too late.
        """

    def close(self) -> Usage:
        """End it, whatever it does, and say what it used."""


Open = Callable[[Sources], Channel]
"""Makes a fresh channel, not started yet, to a program with these files."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program that `Candidate.run` started ended. ``code`` is its exit code, or negative the signal that killed it."""

    code: int
    stdout: bytes
    stderr: bytes


class Process:
    """One process of a program, behind a channel of its own: knows its ids and shapes, and keeps no limit but its start's."""

    def __init__(self, task: Task, sources: Sources, seed: int, open: Open) -> None:
        self.ended: JailEnded | None = None
        self.started = False
        self.seconds = 0.0
        """How long the last exchange took, from the first byte of the request to the last of the reply."""
        self._task = task
        self._seed = seed
        self._channel = open(sources)

    def start(self) -> None:
        """Start it, and tell its runner what holds for all requests.

        Raises:
            IsolationError: if it cannot be started.
        """
        self._channel.start()
        self.started = True
        imports = IMPORTS if self._task.preload else 0.0
        deadline = time.monotonic() + START + imports  # from here on: a warm jail may have had to wait for its own
        begin = {
            "do": "begin",
            "what": "begin",
            "entry": HARNESS if self._task.foreign else self._task.entry,
            "seed": veiled(self._seed),
            "limit": self._task.limits.reply,
            "nonfinite": self._task.allow_nonfinite,
            "preload": list(self._task.preload),
        }
        try:
            self.exchange(begin, deadline)
        except JailEnded as ended:  # none of the candidate's code has run yet
            raise IsolationError(f"the jail did not start: {ended.status}, {ended.detail}") from ended

    def exchange(self, request: Mapping[str, Any], deadline: float) -> Any:
        """Send one request under a fresh id and return its reply's value; whatever is not as it must be is ``protocol``.

        Raises:
            CandidateFailed: where the reply says that the candidate failed.
            JailEnded: where there is no reply, or none that can be believed.
        """
        name = secrets.token_bytes(ID)
        frame = wire.encode({"id": name, **request}, nonfinite=True)
        begin = perf_counter_ns()
        frame = self._channel.exchange(frame, deadline)
        self.seconds = (perf_counter_ns() - begin) * 1e-9
        refused = ""
        try:
            reply = wire.decode(frame, nonfinite=self._task.allow_nonfinite)
        except wire.WireError as error:
            refused = f"the reply holds {error}"
        if refused:  # raised out here, the end does not keep alive what had been decoded so far
            raise JailEnded("protocol", refused)
        match reply:
            case {"id": bytes(echo), "value": value, **rest} if echo == name and not rest:
                return value
            case {"id": bytes(echo), "status": str(status), "error": str(text), **rest} if echo == name and not rest:
                if status in FAILURES:
                    raise CandidateFailed(FAILURES[status], text[: 2 * runner.MESSAGE])
        raise JailEnded("protocol", "the reply is not to this request, or has another shape")

    def close(self) -> Usage:
        """End it and return what it used."""
        return self._channel.close()


class Candidate:
    """A program being judged.

    Its jail starts with the first call and is the same for all calls of one evaluation, `time` apart. After a ``timeout``, a
    ``memory`` or the end of its process the jail is gone, and every later call fails like the one that ended it; an exception
    inside the candidate leaves it usable.
    """

    def __init__(self, task: Task, sources: Sources, seed: int, open: Open) -> None:
        self.sources: Sources = MappingProxyType(dict(sources))
        """The program's text: path -> str."""
        self.settings: Mapping[str, Any] = MappingProxyType(dict(task.settings))
        """What task.toml says in ``[settings]``, and a variant of the task in its own."""
        self._task = task
        self._limits: Limits = task.limits
        self._seed = seed
        self._open = open
        self._process = self._fresh(sources)
        self._deadline = time.monotonic() + task.limits.seconds
        self._starting = START + (IMPORTS if task.preload else 0.0)
        self._timed: list[Usage] = []

    def call(self, target: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Call a function of the candidate in its jail and return what it returned.

        Args:
            target: ``"f"`` of the entry module, ``"pkg.mod:f"`` of another file, ``"harness:f"`` of the task's harness.
            args: plain data, see `evolve.judge.wire`.
            timeout: seconds for this call, in place of ``limits.call_seconds``; ``limits.seconds`` holds in any case.
            kwargs: plain data likewise.

        Returns:
            Exact built-in types, NumPy arrays and Torch tensors only.

        Raises:
            CandidateFailed: if there is no result.
            WireError: if an argument is not plain data.
        """
        seconds = self._limits.call_seconds if timeout is None else timeout
        return self._request(self._process, _call(target, args, kwargs), seconds)

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float | None = None) -> Completed:
        """Run a program in the jail, in a writable copy of the candidate's folder.

        An exit code other than 0 is no failure here. The copy is the same for all calls: one can compile what the next runs.

        Args:
            argv: the program, on the jail's PATH or as ``./name``, and its arguments; ``python`` is the jail's interpreter.
            stdin: what it reads.
            timeout: seconds, in place of ``limits.call_seconds``. What takes longer is killed; the jail stays usable.

        Raises:
            CandidateFailed: if it could not be started, took too long, or printed more than half of ``limits.reply``.
        """
        left = max(0.0, self._deadline - time.monotonic())
        seconds = min(self._limits.call_seconds if timeout is None else timeout, left)
        request = {"do": "run", "what": argv[0], "argv": list(argv), "stdin": stdin, "seconds": seconds}
        reply = self._request(self._process, request, seconds, MARGIN)
        match reply:
            case (int(code), bytes(stdout), bytes(stderr)):
                return Completed(code, stdout, stderr)
        raise CandidateFailed("protocol", f"{argv[0]}: the reply is no exit code with two texts")

    def share(self, name: str, value: Any) -> wire.Shared:
        """Put data into the jail once, arrays read-only, and return a handle to pass as an argument in its place."""
        self._request(self._process, {"do": "share", "what": name, "value": value}, START)
        return wire.Shared(name)

    def time(
        self,
        target: str,
        /,
        *args: Any,
        against: str = "harness:reference",
        warmup: tuple[Any, ...] | None = None,
        repeats: int = 9,
        timeout: float | None = None,
    ) -> Timing:
        """Time one call of the candidate beside the same call of a reference, by the judge's clock.

        Each repeat takes two fresh processes, one after the other, in alternating order: the candidate's, and one that holds the
        task's harness and an empty file in the candidate's place. Each imports its module, makes the ``warmup`` call, and then
        the one call that is timed, with arguments that no process of the candidate's has seen before. So nothing can be
        remembered from repeat to repeat or from other calls, a patched clock tells the judge nothing, what runs on in the
        background is killed before the reference is timed, and a result has been computed when its bytes have arrived. What
        the candidate can prepare without knowing the arguments, while it is imported or warmed up, is not timed.

        The seconds hold the transport of arguments and result, see `Timing.transport`: keep it small beside the work. Check
        every one of `Timing.values`. All of this counts against ``limits.seconds``; with ``exclusive`` in the task's
        ``[resources]`` nothing else is judged meanwhile. Time before the first `call`: as long as the jail for calls is open, the
        processes here are started cold, which takes longer. At levels weaker than ``landlock`` files can be left to the next
        repeat. The inline executor has one process for all, where nothing of the above is enforced; threads of one process
        disturb each other's clocks, so time with one slot there.

        Args:
            target: as for `call`; of a Python program.
            args: plain data likewise, but no handles to shared data: those would be known beforehand.
            against: the reference's function. It gets the same arguments and may not need the candidate.
            warmup: arguments of an untimed call before, for both; other ones than ``args``. None: there is no such call.
            repeats: at least 3; the median's noise is known with 95 % confidence from 6 on.
            timeout: seconds for each call, in place of ``limits.call_seconds``.

        Raises:
            CandidateFailed: if a call of the candidate gave no result.
            TaskError: if one of the reference gave none, or there is no harness.
            ValueError: if ``warmup`` equals ``args``, or for too few repeats.
            WireError: if an argument is not plain data.
        """
        plain = wire.encode(list(args), nonfinite=True)
        wire.decode(plain, nonfinite=True)  # refuses handles
        if warmup is not None and wire.encode(list(warmup), nonfinite=True) == plain:
            raise ValueError(
                f"the warm-up of {target} has the timed arguments: all of the work could be done there, untimed"
            )
        if against.startswith("harness:") and self._task.harness is None:
            raise TaskError(
                f"the reference {against} is to be in harness.py beside evaluate.py, and there is no such file"
            )
        seconds = self._limits.call_seconds if timeout is None else timeout
        return interleaved(
            lambda: self._clock(target, args, warmup, seconds),
            lambda: self._clock_reference(against, args, warmup, seconds),
            repeats,
        )

    def close(self) -> Usage:
        """End its jail and return what it and all that `time` started for the candidate used; not for evaluate.py."""
        own = self._process.close()
        every = [own, *self._timed]
        cpu = [usage.cpu_seconds for usage in every if usage.cpu_seconds is not None]
        memory = [usage.memory for usage in every if usage.memory is not None]
        output = "".join(usage.output for usage in every)[-self._limits.output :] if self._timed else own.output
        return replace(own, cpu_seconds=sum(cpu) if cpu else None, memory=max(memory, default=None), output=output)

    def _fresh(self, sources: Sources) -> Process:
        return Process(self._task, sources, self._seed, self._open)

    def _clock(self, target: str, args: tuple[Any, ...], warmup: tuple[Any, ...] | None, seconds: float) -> Clocked:
        """Time one call in a process of the candidate's own."""
        process = self._fresh(self.sources)
        try:
            self._warm(process, target, warmup, seconds)
            return Clocked(self._request(process, _call(target, args), seconds), process.seconds)
        finally:
            self._timed.append(process.close())

    def _clock_reference(
        self, target: str, args: tuple[Any, ...], warmup: tuple[Any, ...] | None, seconds: float
    ) -> Clocked:
        """Time the same call of the reference, and then one that only carries as much."""
        process = self._fresh({self._task.entry: ""})
        try:
            self._warm(process, target, warmup, seconds)
            value = self._request(process, _call(target, args), seconds)
            taken = process.seconds
            self._request(process, {"do": "share", "what": "result", "value": value}, seconds)
            self._request(process, _call("operator:getitem", ((*args, wire.Shared("result")), -1)), seconds)
            return Clocked(value, taken, process.seconds)
        except CandidateFailed as failure:
            if time.monotonic() >= self._deadline:
                raise
            raise TaskError(f"the reference {target} gave no result: {failure}") from None
        finally:
            process.close()

    def _warm(self, process: Process, target: str, warmup: tuple[Any, ...] | None, seconds: float) -> None:
        """Import the module of ``target``, by asking for a harmless method of it, and make the warm-up call if there is one."""
        module, colon, _ = target.rpartition(":")
        self._request(
            process, _call(f"{module}{colon}{METHOD}"), seconds, name=f"importing {module or self._task.entry}"
        )
        if warmup is not None:
            self._request(process, _call(target, warmup), seconds)

    def _request(
        self, process: Process, request: Mapping[str, Any], seconds: float, margin: float = 0.0, name: str = ""
    ) -> Any:
        """Send one request and return the value of its reply, which may be ``margin`` seconds late."""
        name = name or request["what"]
        if process.ended is None and not process.started:
            self._start(process)
        if process.ended is not None:
            raise CandidateFailed(process.ended.status, process.ended.detail)
        deadline = min(time.monotonic() + seconds, self._deadline)
        late = CandidateFailed("timeout", f"{name} took longer than {seconds:g} s")
        if deadline == self._deadline:
            late = CandidateFailed("timeout", f"the evaluation took longer than {self._limits.seconds:g} s")
        if time.monotonic() >= self._deadline:
            raise late
        try:
            reply = process.exchange(request, deadline + margin)
        except JailEnded as ended:
            process.ended = JailEnded(ended.status, ended.detail)  # without the traceback, which holds the reply
        if process.ended is not None:
            if process.ended.status == "timeout" and time.monotonic() >= deadline:
                raise late
            raise CandidateFailed(process.ended.status, f"{name}: {process.ended.detail}")
        return reply

    def _start(self, process: Process) -> None:
        """Start a process; the time that takes is given back to the candidate, as far as it is not too much."""
        before = time.monotonic()
        process.start()
        taken = min(time.monotonic() - before, self._starting)
        self._starting -= taken
        self._deadline += taken


def _call(target: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    return {"do": "call", "what": target, "args": args, "kwargs": dict(kwargs)}
