"""Runs for ever, catches whatever is raised to stop it, and ignores every signal that can be ignored."""

import signal

for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


def solve(question):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
