"""A reference: never a new bin where the item fits."""


def opens(item, best_left):
    """Return whether to open one."""
    return False
