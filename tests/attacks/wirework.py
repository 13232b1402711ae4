"""For attacks on the wire: the runner's pipe, its encoder and the request it is answering, taken from its frames."""

import gc
import os
import sys


def sink():
    """Return the descriptor on which replies go out."""
    return _local("sink", int)


def source():
    """Return the descriptor on which requests come in."""
    return _local("source", int)


def request():
    """Return the request that is being answered, its secret id included."""
    return _local("request", dict)


def encode(value):
    """Encode as the runner does, but let everything pass."""
    return _wire().encode(value, nonfinite=True)


def decode(data):
    """Decode as the runner does."""
    return _wire().decode(data, nonfinite=True)


def _local(name, kind):
    """Return a local variable of whoever called this program."""
    frame = sys._getframe()
    while frame is not None:
        if isinstance(frame.f_locals.get(name), kind):
            return frame.f_locals[name]
        frame = frame.f_back
    raise LookupError(name)


def _wire():
    for thing in gc.get_objects():
        if type(thing).__name__ == "Program":
            return thing.wire
    raise LookupError("wire")


def send(out, payload):
    """Write a whole frame."""
    data = len(payload).to_bytes(8, "little") + payload
    while data:
        data = data[os.write(out, data) :]
