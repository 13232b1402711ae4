"""What candidates are timed against: runs in fresh processes of its own, in turn with the candidate's."""


def reference(values):
    """Return the values in ascending order, by a plain merge sort."""
    if len(values) < 2:
        return list(values)
    middle = len(values) // 2
    left, right = reference(values[:middle]), reference(values[middle:])
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]
