"""The judge's end of a jail's pipes."""

import os
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from evolve.jail.channel import HEADER, Channel

SECONDS = 0.1


class Sleepy(Channel):
    """A channel whose process sleeps, past the deadline if it is told to, while the reply arrives."""

    sleep = 0.0
    reply = -1

    def drain(self) -> None:
        super().drain()
        if self.reply >= 0:
            os.write(self.reply, (2).to_bytes(HEADER, "little") + b"hi")
            os.close(self.reply)
            self.reply = -1
            time.sleep(self.sleep)


@pytest.fixture
def sleepy() -> Iterator[Sleepy]:
    request_r, request_w = os.pipe()
    reply_r, reply_w = os.pipe()
    status_r, status_w = os.pipe()
    print_r, print_w = os.pipe()
    with closing(Sleepy(request_w, reply_r, status_r, print_r, 100, 100)) as channel:
        channel.reply = reply_w
        yield channel
    for descriptor in (request_r, status_w, print_w):
        os.close(descriptor)


def test_a_reply_in_time(sleepy: Sleepy) -> None:
    assert sleepy.exchange(b"?", time.monotonic() + 10, lambda: False) == b"hi"


def test_a_reply_that_is_seen_too_late_is_none(sleepy: Sleepy) -> None:
    sleepy.sleep = 2 * SECONDS
    with pytest.raises(TimeoutError):
        sleepy.exchange(b"?", time.monotonic() + SECONDS, lambda: False)
