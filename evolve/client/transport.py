"""HTTP whose every exchange ends in time and in size, however slowly or however much the other side sends.

A read timeout starts anew with every byte, so a server that drips holds a call for ever. Here a clock runs over the whole
exchange and cuts the connection when it is up. Only looking up the host's name escapes it: the system's resolver cannot be
interrupted.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from threading import Timer
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx

from evolve.client.address import host_is_here

CONNECT_SECONDS = 30.0
MOST_BYTES = 16 << 20


class TooLarge(httpx.TransportError):
    """The other side sent more than a reply can be."""


class BoundedTransport(httpx.BaseTransport):
    """Passes requests on, each over a connection of its own, within ``seconds`` and ``MOST_BYTES``."""

    def __init__(self, url: str, seconds: float) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._inner = httpx.HTTPTransport(limits=limits, proxy=_proxy(httpx.URL(url)))
        self._seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` and return the response, whose body is still to come."""
        clock = _Clock(self._seconds)
        request.extensions["trace"] = clock.see
        try:
            response = self._inner.handle_request(request)
        except BaseException:  # whatever it is: the clock would otherwise break off a request that is over
            clock.stop()
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        stream = _Bounded(response.stream, clock)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            stream.close()  # a few bytes may unpack to gigabytes, and it was asked for none of it
            raise httpx.DecodingError("the reply is compressed, though that was not asked for")
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def close(self) -> None:
        """Close what is open."""
        self._inner.close()


class _Bounded(httpx.SyncByteStream):
    """A response's body, counted."""

    def __init__(self, inner: httpx.SyncByteStream, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._inner:
            size += len(chunk)
            if size > MOST_BYTES:
                raise TooLarge(f"more than {MOST_BYTES >> 20} MiB came")
            yield chunk

    def close(self) -> None:
        self._clock.stop()
        self._inner.close()


class _Clock:
    """Cuts the connection of one exchange when its time is up."""

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._up = False
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def see(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the connection when it is made, and again when TLS has wrapped it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self._up:
                self._cut()

    def stop(self) -> None:
        """Let the connection be."""
        self._timer.cancel()

    def _end(self) -> None:
        self._up = True
        self._cut()

    def _cut(self) -> None:
        """Wake whoever waits for this connection: closing it would not, and would free its number for another file."""
        if self._socket is None:
            return
        try:
            # TLS's own would take the wrapping off under a reader.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself


def _proxy(url: httpx.URL) -> str | None:
    """Return the proxy that the environment names for ``url``; none for this machine."""
    if host_is_here(url.host) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
