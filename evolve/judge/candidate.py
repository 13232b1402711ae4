"""The handle to a candidate that ``evaluate.py`` works with: its code runs in the jail, and only plain data comes back."""

from __future__ import annotations

import marshal
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from evolve.errors import IsolationError
from evolve.jail import JailEnded, Usage
from evolve.judge import runner, wire
from evolve.records import Limits, Sources, Status, Task

START = 30.0
"""Seconds that a jail may take to start: ours to answer for, so it counts against no limit of the candidate's."""
MARGIN = 0.5
"""Seconds by which the jail is outlasted where it keeps a time limit itself, before it is killed."""
ID = 16
"""Random bytes in a request, which its reply must repeat."""
FAILURES: Mapping[str, Status] = {status: status for status in ("crash", "timeout", "memory", "gpu_memory", "protocol")}
"""How a reply may say that the candidate failed."""

WIRE = marshal.dumps(compile(Path(wire.__file__).read_text(), "wire.py", "exec"))
"""What the runner is sent first, as bytecode: one encoding, on both sides. Both run the same interpreter."""


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
            JailEnded: if there is none.
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


class Candidate:
    """A program being judged.

    Its jail starts with the first call and is the same for all calls of one evaluation. After a ``timeout``, a ``memory``
    or the end of its process the jail is gone, and every later call fails like the one that ended it; an exception inside
    the candidate leaves it usable.
    """

    def __init__(self, task: Task, sources: Sources, seed: int, open: Open) -> None:
        self.sources: Sources = MappingProxyType(dict(sources))
        """The program's text: path -> str."""
        self._task = task
        self._limits: Limits = task.limits
        self._seed = seed
        self._open = open
        self._channel = open(sources)
        self._deadline = time.monotonic() + task.limits.seconds
        self._started = False
        self._ended: JailEnded | None = None

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
        return self._request({"do": "call", "what": target, "args": args, "kwargs": kwargs}, seconds)

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
        reply = self._request(request, seconds, MARGIN)
        match reply:
            case (int(code), bytes(stdout), bytes(stderr)):
                return Completed(code, stdout, stderr)
        raise CandidateFailed("protocol", f"{argv[0]}: the reply is no exit code with two texts")

    def share(self, name: str, value: Any) -> wire.Shared:
        """Put data into the jail once, arrays read-only, and return a handle to pass as an argument in its place."""
        self._request({"do": "share", "what": name, "value": value}, START)
        return wire.Shared(name)

    def close(self) -> Usage:
        """End its jail and return what it used; for who made this, not for evaluate.py."""
        return self._channel.close()

    def _request(self, request: Mapping[str, Any], seconds: float, margin: float = 0.0) -> Any:
        """Send one request and return the value of its reply, which may be ``margin`` seconds late."""
        if self._ended is None and not self._started:
            self._start()
        if self._ended is not None:
            raise CandidateFailed(self._ended.status, self._ended.detail)
        deadline = min(time.monotonic() + seconds, self._deadline)
        late = CandidateFailed("timeout", f"{request['what']} took longer than {seconds:g} s")
        if deadline == self._deadline:
            late = CandidateFailed("timeout", f"the evaluation took longer than {self._limits.seconds:g} s")
        if time.monotonic() >= self._deadline:
            raise late
        try:
            reply = self._exchange(request, deadline + margin)
        except JailEnded as ended:
            self._ended = ended
            if ended.status == "timeout" and time.monotonic() >= deadline:
                raise late from None
            raise CandidateFailed(ended.status, f"{request['what']}: {ended.detail}") from None
        if time.monotonic() > deadline + margin:
            raise late
        return reply

    def _start(self) -> None:
        """Start the jail; the time that takes is given back to the candidate."""
        before = time.monotonic()
        self._channel.start()
        self._started = True
        try:
            if self._channel.exchange(WIRE, before + START) != b"ready":
                raise JailEnded("protocol", "no greeting")
        except JailEnded as ended:  # none of the candidate's code has run yet
            raise IsolationError(f"the jail did not start: {ended.status}, {ended.detail}") from ended
        begin = {
            "do": "begin",
            "what": "begin",
            "entry": self._task.entry,
            "seed": self._seed,
            "limit": self._limits.reply,
        }
        self._exchange(begin | {"nonfinite": self._task.allow_nonfinite}, before + START)
        self._deadline += time.monotonic() - before

    def _exchange(self, request: Mapping[str, Any], deadline: float) -> Any:
        """Send one request under a fresh id and return its reply's value; whatever is not as it must be is ``protocol``.

        Raises:
            CandidateFailed: where the reply says that the candidate failed.
            JailEnded: where there is no reply, or none that can be believed.
        """
        name = secrets.token_bytes(ID)
        frame = self._channel.exchange(wire.encode({"id": name, **request}, nonfinite=True), deadline)
        try:
            reply = wire.decode(frame, nonfinite=self._task.allow_nonfinite)
        except wire.WireError as error:
            raise JailEnded("protocol", f"the reply holds {error}") from None
        match reply:
            case {"id": bytes(echo), "value": value, **rest} if echo == name and not rest:
                return value
            case {"id": bytes(echo), "status": str(status), "error": str(text), **rest} if echo == name and not rest:
                if status in FAILURES:
                    raise CandidateFailed(FAILURES[status], text[: 2 * runner.MESSAGE])
        raise JailEnded("protocol", "the reply is not to this request, or has another shape")
