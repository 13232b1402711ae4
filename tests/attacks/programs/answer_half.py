"""Sends half a reply, a byte at a time, and then nothing more: will the judge wait for ever?"""

import os
import time

from wirework import sink


def solve(question):
    out = sink()
    for byte in (1000).to_bytes(8, "little") + bytes(20):
        os.write(out, bytes([byte]))
        time.sleep(0.01)
    time.sleep(600)
