"""A runner for the tests: executes what it is sent and replies with the repr of the name ``r``."""

import os
import sys

IN, OUT = -1, -1


def receive(count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        more = os.read(IN, count - len(data))
        if not more:
            sys.exit(0)
        data += more
    return bytes(data)


def send(data: bytes) -> None:
    left = memoryview(data)
    while len(left):
        left = left[os.write(OUT, left) :]


def prepare() -> None:
    """There is nothing to prepare."""


def main(argv: list[str]) -> None:
    global IN, OUT
    IN, OUT = int(argv[1]), int(argv[2])
    scope: dict[str, object] = {"OUT": OUT, "IN": IN, "send": send, "receive": receive}
    while True:
        source = receive(int.from_bytes(receive(8), "little"))
        if source[:1] == b"=":  # an echo, for large frames
            send(len(source).to_bytes(8, "little") + source)
            continue
        scope["r"] = None
        exec(source, scope)
        reply = repr(scope["r"]).encode()
        send(len(reply).to_bytes(8, "little") + reply)
