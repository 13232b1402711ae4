"""Returns a list that contains itself."""


def solve(question):
    value = []
    value.append(value)
    return value
