"""Returns an object that pickles as a command, for a judge that takes whatever a worker process hands it."""

import os

import targets


class Command:
    def __reduce__(self):
        return os.system, (f"touch {targets.OUTSIDE}/{targets.TOKEN}-unpickled",)


def solve(question):
    return Command()
