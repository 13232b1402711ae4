"""Whether to open a new bin although the item fits into an open one."""


# EVOLVE-BLOCK-START
def opens(item, best_left):
    """Return whether to open one."""
    return best_left - item < 0.01


# EVOLVE-BLOCK-END
