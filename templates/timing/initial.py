"""Sorts runs by insertion and merges them."""


# EVOLVE-BLOCK-START
def sort(values):
    """Return the values in ascending order."""
    size = 4 + int(0.1 * len(values))
    runs = [insertion(values[at : at + size]) for at in range(0, len(values), size)]
    while len(runs) > 1:
        runs = [merge(*runs[at : at + 2]) if at + 1 < len(runs) else runs[at] for at in range(0, len(runs), 2)]
    return runs[0] if runs else []


def insertion(run):
    """Return a short list, sorted."""
    done = []
    for value in run:
        at = len(done)
        done.append(value)
        while at > 0 and done[at - 1] > value:
            done[at] = done[at - 1]
            at -= 1
        done[at] = value
    return done


def merge(left, right):
    """Return two sorted lists as one."""
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


# EVOLVE-BLOCK-END
