"""A reference: quicksort (Hoare, 1961), whose comprehensions do most of the work in C."""


def sort(values):
    """Return the values in ascending order."""
    if len(values) < 2:
        return list(values)
    pivot = values[len(values) // 2]
    return (
        sort([value for value in values if value < pivot])
        + [value for value in values if value == pivot]
        + sort([value for value in values if value > pivot])
    )
