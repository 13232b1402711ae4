"""Spoils what its process was forked with, or what processes share: modules, builtins, caches of imports, lines and patterns, numpy's
settings and threads, the environment, locale, umask, signal masks and handlers, audit hooks, limits, priority, working folder.
"""

import builtins
import importlib
import linecache
import locale
import os
import re
import resource
import signal
import sys
import threading
import types

import targets
from kit import LIBC, got, honest

MARK = f"left_{targets.TOKEN}"
FALSE = types.ModuleType(MARK)
signs = {
    "a builtin": hasattr(builtins, MARK),
    "an attribute of sys": hasattr(sys, MARK),
    "a module": MARK in sys.modules,
    "an importer": MARK in sys.path_importer_cache or any(MARK in path for path in sys.path),
    "a line": MARK in linecache.cache,
    "a pattern": any(MARK in str(key) for key in re._cache),
    "a variable": MARK in os.environ,
    "a blocked signal": bool(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "a signal that is pending": bool(signal.sigpending()),
    "a handler": any(signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)),
    "a limit": resource.getrlimit(resource.RLIMIT_STACK)[1] == 8192 << 10 or resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 77,
    "a priority": os.nice(0) == 7,
    "a timer": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
    "a name": MARK[:15] in open("/proc/self/comm").read(),
    "a slack of timers": LIBC.prctl(30, 0, 0, 0, 0) == 777777,
    "a thread": threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1,
    "a mask": (before := os.umask(0o22)) == 0o777,
    "a locale": locale.setlocale(locale.LC_CTYPE) == "C",
    "a folder": os.getcwd() == "/usr",
}
os.umask(before)
if "numpy" in sys.modules:
    import numpy

    signs["a setting of numpy's"] = numpy.geterr()["divide"] == "raise" or numpy.get_printoptions()["precision"] == 1
    signs["a function of numpy's"] = numpy.dot.__name__ != "dot"
    numpy.seterr(divide="raise")
    numpy.set_printoptions(precision=1)
    numpy.dot = lambda a, b: 0
    numpy.ones((200, 200)) @ numpy.ones((200, 200))  # its library's threads begin
for name, seen in signs.items():
    if seen:
        got("traces", name)
setattr(builtins, MARK, 1)
setattr(sys, MARK, 1)
sys.modules |= {MARK: FALSE, "json": FALSE, "numpy.fft": FALSE, "linecache": FALSE}
sys.path.insert(0, f"/{MARK}")
sys.path_importer_cache[MARK] = None
sys.meta_path.insert(0, FALSE)
linecache.cache[MARK] = (1, None, ["left"], MARK)
re.compile(MARK)
importlib.invalidate_caches = None
os.environ[MARK] = "1"
LIBC.setenv(MARK.encode(), b"1", 1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGCHLD])
os.kill(os.getpid(), signal.SIGUSR2)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 100)
resource.setrlimit(resource.RLIMIT_NOFILE, (77, 77))
LIBC.prctl(15, MARK.encode(), 0, 0, 0)
LIBC.prctl(29, 777777, 0, 0, 0)
LIBC.setlocale(6, b"C")
os.nice(7)
os.umask(0o777)
os.chdir("/usr")
sys.addaudithook(lambda *_: None)
solve = honest
