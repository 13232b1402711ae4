"""For attacks on the wire: the runner's pipe, its encoder and the request it is answering, taken from its frames."""

import gc
import os
import sys


def sink():
    """Return the descriptor on which replies go out."""
    frame = sys._getframe()
    while frame is not None:
        if isinstance(frame.f_locals.get("sink"), int):
            return frame.f_locals["sink"]
        frame = frame.f_back
    raise LookupError("sink")


def source():
    """Return the descriptor on which requests come in."""
    frame = sys._getframe()
    while frame is not None:
        if isinstance(frame.f_locals.get("source"), int):
            return frame.f_locals["source"]
        frame = frame.f_back
    raise LookupError("source")


def request():
    """Return the request that is being answered, its secret id included."""
    frame = sys._getframe()
    while frame is not None:
        if isinstance(frame.f_locals.get("request"), dict):
            return frame.f_locals["request"]
        frame = frame.f_back
    raise LookupError("request")


def encode(value):
    """Encode as the runner does, but let everything pass."""
    for thing in gc.get_objects():
        if type(thing).__name__ == "Program":
            return thing.wire.encode(value, nonfinite=True)
    raise LookupError("wire")


def decode(data):
    """Decode as the runner does."""
    for thing in gc.get_objects():
        if type(thing).__name__ == "Program":
            return thing.wire.decode(data, nonfinite=True)
    raise LookupError("wire")


def send(out, payload):
    """Write a whole frame."""
    data = len(payload).to_bytes(8, "little") + payload
    while data:
        data = data[os.write(out, data) :]
