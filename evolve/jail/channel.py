"""The judge's end of a jail's pipes: frames out and in, the zygote's word, and the tail of what the candidate prints."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from evolve.records import Status

HEADER = 8
"""Bytes of a frame's length, little-endian and unsigned, before its payload."""

CHUNK = 1 << 18
GLANCE = 0.05
"""Seconds between two looks at what no descriptor announces (the kernel's memory counter)."""


class JailEnded(Exception):  # noqa: N818 - for a candidate this is an end, not an error of ours
    """The jail is gone or was killed. ``status`` says how for the evaluation, ``detail`` in words."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status: Status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Ended:
    """The zygote's last word: why it ended the jail, the runner's wait status, CPU seconds and peak bytes of the
    tree, and whether the jail is as it was before.
    """

    why: str
    code: int
    cpu: float
    memory: int
    clean: bool


class Tail:
    """The last ``cap`` bytes of a stream."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._bytes = bytearray()
        self._cut = False

    def add(self, data: bytes) -> None:
        """Append ``data`` and forget what is too old."""
        self._bytes += data
        if len(self._bytes) > 2 * self._cap:
            self._trim()

    def _trim(self) -> None:
        if len(self._bytes) > self._cap:
            self._cut = True
            del self._bytes[: len(self._bytes) - self._cap]

    def text(self) -> str:
        """Return the tail, marked where something was cut off."""
        self._trim()
        return ("[...]\n" if self._cut else "") + self._bytes.decode(errors="replace")


class Channel:
    """Four pipes to a jail, by the judge's ends of them. Single-threaded, never blocks longer than asked."""

    def __init__(self, requests: int, replies: int, status: int, output: int, reply_cap: int, output_cap: int) -> None:
        self.requests, self.replies, self.status, self.output = requests, replies, status, output
        for descriptor in (requests, replies, status, output):
            os.set_blocking(descriptor, False)
        self.tail = Tail(output_cap)
        self.ready: int | None = None
        self.ended: Ended | None = None
        self.silent = False
        self.closed = False
        self._cap = reply_cap
        self._said = b""
        self._closed: set[int] = set()

    def exchange(self, frame: bytes, deadline: float, stop: Callable[[], bool]) -> bytes | None:
        """Send a frame and return its reply; None once the jail has ended, the replies' pipe is closed, or ``stop`` says so.

        Raises:
            TimeoutError: if ``deadline`` (`time.monotonic`) passes first.
            JailEnded: with status ``protocol`` for bytes out of turn or a reply over the cap.
        """
        if self._read(self.replies):
            raise JailEnded("protocol", "the candidate's process wrote before it was asked")
        unsent = memoryview(len(frame).to_bytes(HEADER, "little") + frame)
        reply = bytearray()
        while self.replies not in self._closed:
            if len(unsent):
                unsent = unsent[self._write(unsent) :]
            self._wait(deadline, writing=bool(len(unsent)))
            data = self._read(self.replies)
            if data and len(unsent):
                raise JailEnded("protocol", "the candidate's process replied before it had the whole request")
            reply += data
            whole = self._whole(reply)
            if whole is not None:
                if time.monotonic() > deadline:  # waits are rounded up, and this process may have slept
                    raise TimeoutError
                return whole
            if self.ended or self.silent or stop():
                return None
        return None

    def _whole(self, reply: bytearray) -> bytes | None:
        if len(reply) < HEADER:
            return None
        size = int.from_bytes(reply[:HEADER], "little")
        if size > self._cap:
            raise JailEnded("protocol", f"a reply of {size} bytes; at most {self._cap} are allowed")
        if len(reply) < HEADER + size:
            return None
        if len(reply) > HEADER + size or self._read(self.replies):
            raise JailEnded("protocol", "bytes after the end of the reply")
        return bytes(memoryview(reply)[HEADER:])

    def _wait(self, deadline: float, *, writing: bool) -> None:
        """Return when something can be read or written or a glance is due, having drained output and status."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        poll = select.poll()
        for descriptor in {self.replies, self.status, self.output} - self._closed:
            poll.register(descriptor, select.POLLIN)
        if writing:
            poll.register(self.requests, select.POLLOUT)
        poll.poll(min(left, GLANCE) * 1000)
        self.drain()

    def drain(self) -> None:
        """Take in what the candidate printed and what the zygote said, as far as it is there."""
        self.tail.add(self._read(self.output))
        self._said += self._read(self.status)
        while b"\n" in self._said:
            line, self._said = self._said.split(b"\n", 1)
            self._hear(line.decode(errors="replace").split())
        self.silent = self.status in self._closed

    def _hear(self, words: list[str]) -> None:
        match words:
            case ["ready", pid]:
                self.ready = int(pid)
            case ["end", why, code, cpu, memory, state]:
                self.ended = Ended(why, int(code), float(cpu), int(memory), state == "clean")

    def settle(self, seconds: float) -> None:
        """Wait until the zygote has ended, at most ``seconds``."""
        deadline = time.monotonic() + seconds
        with suppress(TimeoutError):
            while not self.silent:
                self._wait(deadline, writing=False)
                self._read(self.replies)

    def _read(self, descriptor: int) -> bytes:
        """Return what is there, at most a chunk; note the end of the stream."""
        if descriptor in self._closed:
            return b""
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            self._closed.add(descriptor)
        return data

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self.requests, data[:CHUNK])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            self._closed.add(self.replies)
            return 0

    def close(self) -> None:
        """Close the judge's ends."""
        self.closed = True
        for descriptor in (self.requests, self.replies, self.status, self.output):
            os.close(descriptor)
