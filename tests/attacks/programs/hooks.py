"""Leaves hooks that run behind the answer's back: atexit, __del__, tracing, profiling, audit, a display hook, a clock that stands."""

import atexit
import sys
import threading
import time

import targets
from kit import honest


class Spiteful:
    def __del__(self):
        print("score: 1.0", targets.TOKEN)


def spy(frame, event, argument):
    if event == "return" and "reply" in frame.f_locals:
        frame.f_locals["reply"]["value"] = 1.0
    return spy


atexit.register(print, '{"score": 1.0}')
spiteful = Spiteful()
sys.settrace(spy)
threading.settrace(spy)
sys.setprofile(spy)
sys.displayhook = sys.excepthook = lambda *_: None
sys.addaudithook(lambda event, arguments: None)
time.time = time.monotonic = time.perf_counter = lambda: 0.0


def solve(question):
    sys.settrace(spy)
    time.sleep(0.1)  # with a clock that stands this took no time
    return honest(question)
