"""Prints for ever, on both streams, from several processes."""

import os

for _ in range(3):
    os.fork()
while True:
    for descriptor in (1, 2):
        os.write(descriptor, b"\x1b[2J\xff\x00 and so on " * 4096)
