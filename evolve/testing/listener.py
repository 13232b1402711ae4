"""The HTTP of the scripted server: as much of HTTP/1.1 as clients of models speak, kept alive, in some 50 µs a request.

The standard library's own server reads headers with its e-mail parser, which alone costs more than all of this.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any, BinaryIO

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was received. Header names are lower-case; ``body`` is parsed JSON, None where there is none.

    ``at`` is when it had come whole, in seconds since the epoch.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    at: float = 0.0

    @property
    def model(self) -> str:
        """The model that is asked."""
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The conversation as (role, text); of a content in parts, the parts that are text."""
        if not isinstance(self.body, dict):
            return []
        return [(str(turn.get("role", "")), _text(turn.get("content"))) for turn in self.body.get("messages", [])]

    @property
    def text(self) -> str:
        """All turns, one after the other."""
        return "\n\n".join(text for _, text in self.messages)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


class Unreadable(Exception):  # noqa: N818 - what a client sends is no error of ours
    """A request that cannot be read; the connection is closed after the answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def read(stream: BinaryIO) -> Request | None:
    """Read one request; None where the client has closed the connection.

    Raises:
        Unreadable: if it is not HTTP, or its body is not JSON.
    """
    first = stream.readline(65536).split()
    if not first:
        return None
    if len(first) != 3:
        raise Unreadable(400, "the request line cannot be read")
    headers: dict[str, str] = {}
    for line in iter(lambda: stream.readline(65536).strip(), b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise Unreadable(411, "a body needs its length")
    told = headers.get("content-length", "0")
    if not told.isdecimal():
        raise Unreadable(400, "the length of the body cannot be read")
    length = int(told)
    data = stream.read(length) if length else b""
    if len(data) < length:
        return None
    try:
        body = json.loads(data) if data else None
    except ValueError:
        raise Unreadable(400, "the body is not JSON") from None
    method, path = first[0].decode("latin-1"), first[1].decode("latin-1").partition("?")[0]
    return Request(method, path, headers, body, time.time())


def response(
    status: int,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    kind: str = "application/json",
    length: int | None = None,
) -> bytes:
    """Return a reply as it goes over the wire; ``length`` is what it says its length is, where that is not the truth."""
    head = [f"HTTP/1.1 {status} {_REASONS[status]}", f"Content-Type: {kind}"]
    head.append(f"Content-Length: {len(body) if length is None else length}")
    head += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


class Listener:
    """Accepts connections on a free port of this machine alone, each served by a thread that no exit waits for."""

    def __init__(self, port: int = 0) -> None:
        self.closing = Event()
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self._door = Thread(target=self._accept, name=f"scripted:{self.port}", daemon=True)
        self._door.start()

    def answer(self, request: Request, connection: socket.socket) -> bool:
        """Answer ``request`` on ``connection``; return whether the connection can be kept."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop listening and break off what is still being answered. May be called twice."""
        if self.closing.is_set():
            return
        self.closing.set()
        with socket.socket() as bell:  # closing a socket does not wake the thread that waits on it
            bell.settimeout(1)
            bell.connect_ex(("127.0.0.1", self.port))
        self._door.join(1)  # the port stays open for as long as it waits there
        self._socket.close()
        with self._lock:
            for connection in self._open:
                _shut(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if self.closing.is_set():
                connection.close()
                return
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection.makefile("rb") as stream:
                while not self.closing.is_set() and self._next(stream, connection):
                    pass
        except OSError:
            pass  # the client went away, or we were closed
        finally:
            with self._lock:
                self._open.discard(connection)
            _shut(connection)
            connection.close()

    def _next(self, stream: BinaryIO, connection: socket.socket) -> bool:
        try:
            request = read(stream)
        except Unreadable as problem:
            connection.sendall(response(problem.status, complaint(problem.status, problem.reason)))
            return False
        if request is None:
            return False
        kept = self.answer(request, connection)
        return kept and request.headers.get("connection", "").lower() != "close"


def complaint(status: int, reason: str) -> bytes:
    """Return the body of an error in OpenAI's form."""
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    return json.dumps({"error": {"message": reason, "type": kind, "param": None, "code": None}}).encode()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # closed by the other side already
        connection.shutdown(socket.SHUT_RDWR)
