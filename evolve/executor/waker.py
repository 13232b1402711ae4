"""What lets any thread, or a signal handler, end another thread's wait on file descriptors."""

from __future__ import annotations

import socket


class Waker:
    """A socket pair whose reading end becomes ready at `wake`, until `clear`."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """Return the end to wait on."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make the reading end ready. Does nothing once closed."""
        try:
            self._writer.send(b"\0")
        except OSError:  # full: it is ready already; or closed
            return

    def clear(self) -> None:
        """Make it wait again."""
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        self._reader.close()
        self._writer.close()
